// Package storetest is the conformance suite of receiver/store: whatever database is beneath it, it behaves like this.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/store"
)

// Opener opens the store of a name, which stands for one set of data. A store of that name that is open is closed before.
type Opener func(ctx context.Context, name string, clock receiver.Clock) (*store.DB, error)

// Clock moves only when told to.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Begin is where every Clock of the suite starts.
var Begin = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// NewClock returns a clock that stands at Begin.
func NewClock() *Clock { return &Clock{now: Begin} }

// Now implements receiver.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Pass moves the clock on.
func (c *Clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is one store and what a test needs around it.
type world struct {
	testing.TB
	clock  *Clock
	db     *store.DB
	reopen func()
}

// Run runs the whole suite over stores that open opens.
func Run(t *testing.T, open Opener) {
	for _, c := range []struct {
		name string
		test func(*world)
	}{
		{"rows come back as they were written", rowsComeBack},
		{"what does not exist", whatDoesNotExist},
		{"a new store is paused", newStoreIsPaused},
		{"pauses", pauses},
		{"inbox", inbox},
		{"latest time", latestTime},
		{"data survives reopening", dataSurvives},
		{"errors roll back", errorsRollBack},
		{"a panic rolls back", panicRollsBack},
		{"a cancelled context writes nothing", cancelledContext},
		{"a view is one snapshot", viewIsOneSnapshot},
		{"a view does not write", viewDoesNotWrite},
		{"a transaction has one time", oneTime},
		{"claims in the order of due", claimsInOrder},
		{"claims one priority", claimsOnePriority},
		{"claims never what is not due", claimsNotBeforeDue},
		{"a lease expires", leaseExpires},
		{"a stale worker writes nothing", staleWorker},
		{"a lease can be extended by its holder only", extendLease},
		{"no two workers claim one row", concurrentClaims},
		{"next due", nextDue},
		{"due and final exclude each other", dueAndFinal},
		{"states that do not exist", strangeValues},
		{"moves that the table does not list", forbiddenMoves},
		{"one attempt acts on a resource", uniqueLock},
		{"one open attempt per episode", oneOpenAttempt},
		{"one open episode per alert", oneOpenEpisode},
		{"one open incident per group", oneOpenIncident},
		{"incident of a group", groupIncident},
		{"history of attempts", history},
		{"dropping pages", dropPages},
		{"lists", lists},
		{"references", references},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{TB: t, clock: NewClock()}
			w.reopen = func() {
				w.Helper()
				w.close()
				db, err := open(t.Context(), t.Name(), w.clock)
				if err != nil {
					t.Fatal(err)
				}
				w.db = db
			}
			w.reopen()
			defer w.close()
			c.test(w)
		})
	}
}

func (w *world) close() {
	w.Helper()
	if w.db == nil {
		return
	}
	if err := w.db.Close(); err != nil {
		w.Errorf("close: %v", err)
	}
	w.db = nil
}

func (w *world) try(fn func(*store.Tx) error) error { return w.db.Update(w.Context(), fn) }

func (w *world) do(fn func(*store.Tx) error) {
	w.Helper()
	if err := w.try(fn); err != nil {
		w.Fatal(err)
	}
}

// refused expects an error of a statement, in a transaction of its own.
func (w *world) refused(what string, fn func(*store.Tx) error) {
	w.Helper()
	if err := w.try(fn); err == nil {
		w.Errorf("%s was accepted", what)
	}
}

func (w *world) equal(what string, want, got any) {
	w.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func anIncident(n int) receiver.Incident {
	return receiver.Incident{
		Source: "prod", Receiver: "chronoops", GroupKey: fmt.Sprintf("group %d", n), GroupLabels: map[string]string{"alertname": "ApiDown", "名": `"值"`},
		Title: "ApiDown", Priority: receiver.P1, Opened: Begin, Updated: Begin, Due: Begin,
		Ladder: receiver.Ladder{Name: "default", Levels: []receiver.Level{{Timeout: 15 * time.Minute, Roles: []string{"运维工程师"}}}},
	}
}

func anEpisode(incident int64, n int) receiver.Episode {
	return receiver.Episode{
		Incident: incident, Source: "prod", AlertKey: fmt.Sprintf("alert %d", n), Labels: map[string]string{"alertname": "ApiDown", "instance": strconv.Itoa(n)},
		Annotations: map[string]string{"summary": "<b>it's \"down\"</b>"}, URL: "http://prometheus/graph?a=b&c", Policy: "api-down", Priority: receiver.P1,
		StartsAt: Begin.Add(-time.Minute), Opened: Begin, LastSeen: Begin, Repair: receiver.RepairPending,
	}
}

func anAttempt(incident, episode int64) receiver.Attempt {
	return receiver.Attempt{
		Incident: incident, Episode: episode, Policy: "api-down", Step: 1, Priority: receiver.P1, Action: "fake.fix", Mode: receiver.ModeAuto,
		State: receiver.AttemptWaiting, Created: Begin, Due: Begin,
	}
}

func aPage(incident int64) receiver.Page {
	return receiver.Page{
		Incident: incident, Kind: receiver.NoticeFiring, Level: 1, Role: "oncall", Channel: "oncall/email", Priority: receiver.P1, Why: "it fires",
		State: receiver.PagePending, Created: Begin, Due: Begin,
	}
}

// incident stores one incident with one episode.
func (w *world) incident(n int) (incident, episode int64) {
	w.Helper()
	w.do(func(tx *store.Tx) (err error) {
		if incident, err = tx.InsertIncident(anIncident(n)); err != nil {
			return err
		}
		episode, err = tx.InsertEpisode(anEpisode(incident, n))
		return err
	})
	return incident, episode
}

func (w *world) attempt(a receiver.Attempt) (id int64) {
	w.Helper()
	w.do(func(tx *store.Tx) (err error) { id, err = tx.InsertAttempt(a); return err })
	return id
}

func (w *world) page(p receiver.Page) (id int64) {
	w.Helper()
	w.do(func(tx *store.Tx) (err error) { id, err = tx.InsertPage(p); return err })
	return id
}

// change reads an attempt and writes it again.
func (w *world) change(id int64, fn func(*receiver.Attempt)) error {
	return w.try(func(tx *store.Tx) error {
		a, err := tx.Attempt(id)
		if err != nil {
			return err
		}
		fn(&a)
		return tx.SaveAttempt(a)
	})
}

func (w *world) mustChange(id int64, fn func(*receiver.Attempt)) {
	w.Helper()
	if err := w.change(id, fn); err != nil {
		w.Fatal(err)
	}
}

func start(a *receiver.Attempt) {
	a.State, a.Started, a.Resource = receiver.AttemptStarted, Begin, "fake/api"
}

func end(s receiver.AttemptState) func(*receiver.Attempt) {
	return func(a *receiver.Attempt) { a.State, a.Ended, a.Due = s, Begin, time.Time{} }
}

func rowsComeBack(w *world) {
	i, e := anIncident(1), anEpisode(0, 1)
	a, p := anAttempt(0, 0), aPage(0)
	w.do(func(tx *store.Tx) (err error) {
		if i.ID, err = tx.InsertIncident(i); err != nil {
			return err
		}
		e.Incident, p.Incident, a.Incident = i.ID, i.ID, i.ID
		if e.ID, err = tx.InsertEpisode(e); err != nil {
			return err
		}
		a.Episode, a.By, a.Approval = e.ID, "ann", "hash"
		if a.ID, err = tx.InsertAttempt(a); err != nil {
			return err
		}
		if p.ID, err = tx.InsertPage(p); err != nil {
			return err
		}
		return tx.AddEvent(receiver.Event{Incident: i.ID, Kind: "opened", Actor: "chronoops", Text: "incident 1 opened: 值 \x00 '"})
	})
	// A free row has no lease: when the last one ended is not kept.
	free := receiver.Lease{Until: time.UnixMilli(0).UTC()}
	i.Lease, a.Lease, p.Lease = free, free, free
	read := func(what string) {
		w.Helper()
		w.do(func(tx *store.Tx) error {
			gotI, err := tx.Incident(i.ID)
			if err != nil {
				return err
			}
			w.equal(what+" incident", i, gotI)
			gotE, err := tx.Episode(e.ID)
			if err != nil {
				return err
			}
			w.equal(what+" episode", e, gotE)
			gotA, err := tx.Attempt(a.ID)
			if err != nil {
				return err
			}
			w.equal(what+" attempt", a, gotA)
			pages, err := tx.Pages(i.ID)
			if err != nil {
				return err
			}
			w.equal(what+" pages", []receiver.Page{p}, pages)
			events, err := tx.Events(i.ID)
			w.equal(what+" events", []receiver.Event{{ID: 1, Incident: i.ID, At: Begin, Kind: "opened", Actor: "chronoops", Text: "incident 1 opened: 值 \x00 '"}}, events)
			return err
		})
	}
	read("new")
	w.clock.Pass(time.Minute)
	now := w.clock.Now()
	ack := &receiver.Ack{By: "ann", At: now, Until: now.Add(time.Hour), Episodes: []int64{e.ID}, Priority: receiver.P0}
	i.Title, i.Priority, i.Updated, i.Ack, i.Level, i.Round, i.Held, i.Due = "Other", receiver.P0, now, ack, 2, 3, true, now
	i.Lease = receiver.Lease{Owner: "w", Until: now.Add(time.Second), Tries: 2}
	e.Annotations, e.URL, e.LastSeen, e.Resolved, e.Repair = nil, "", now, now, receiver.RepairVerified
	a.Resource, a.Params, a.Mode, a.State, a.Guard, a.Reason = "fake/api", map[string]any{"n": 1.5, "list": []any{"x", true, nil}}, receiver.ModeApprove, receiver.AttemptStarted, "live", "why"
	a.Plan = &receiver.Plan{Action: "fake.fix", Resource: "fake/api", Params: a.Params, Summary: "Fix", Steps: []string{"one"}, Data: []byte(`{"a":[1]}`), Limits: map[string]string{"a": "b"}, Made: now}
	a.Result, a.Approved, a.Approval, a.Started, a.Applied, a.Cleared, a.Due = "done", "bob", "other", now, now, now, now
	a.Lease = receiver.Lease{Owner: "w", Until: now.Add(time.Second), Tries: 1}
	p.State, p.Repeated, p.Sends, p.Error, p.Sent, p.Due = receiver.PageSending, true, 4, "timeout", now, now
	p.Lease = receiver.Lease{Owner: "w", Until: now.Add(time.Second), Tries: 1}
	w.do(func(tx *store.Tx) error {
		return errors.Join(tx.SaveIncident(i), tx.SaveEpisode(e), tx.SaveAttempt(a), tx.SavePage(p))
	})
	read("changed")
	i.Lease.Owner, a.Lease.Owner, p.Lease.Owner = "", "", ""
	i.Resolved, i.ResolvedBy, i.Due, i.Ack = now, "repair", time.Time{}, nil
	w.do(func(tx *store.Tx) error {
		return errors.Join(tx.SaveIncident(i), tx.SaveAttempt(a), tx.SavePage(p))
	})
	i.Lease.Until, a.Lease.Until, p.Lease.Until = time.UnixMilli(0).UTC(), time.UnixMilli(0).UTC(), time.UnixMilli(0).UTC()
	read("freed")
}

func whatDoesNotExist(w *world) {
	for what, fn := range map[string]func(*store.Tx) error{
		"incident":     func(tx *store.Tx) error { _, err := tx.Incident(1); return err },
		"episode":      func(tx *store.Tx) error { _, err := tx.Episode(1); return err },
		"attempt":      func(tx *store.Tx) error { _, err := tx.Attempt(1); return err },
		"save attempt": func(tx *store.Tx) error { return tx.SaveAttempt(anAttempt(1, 1)) },
	} {
		if err := w.try(fn); !errors.Is(err, receiver.ErrNotFound) || !errors.Is(err, store.ErrNotFound) {
			w.Errorf("%s: %v, want ErrNotFound", what, err)
		}
	}
	w.do(func(tx *store.Tx) error {
		_, open, err := tx.OpenEpisode("prod", "x")
		_, attempt, errA := tx.OpenAttempt(1)
		_, group, errG := tx.GroupIncident("prod", "x", time.Time{})
		_, claimed, errC := tx.ClaimAttempt("w", time.Second, receiver.P0)
		_, claimedI, errI := tx.ClaimIncident("w", time.Second, receiver.P0)
		_, claimedP, errP := tx.ClaimPage("w", time.Second, receiver.P0)
		if open || attempt || group || claimed || claimedI || claimedP {
			w.Error("something was found in an empty store")
		}
		events, errE := tx.Events(1)
		list, errL := tx.Incidents(false, 10)
		if len(events)+len(list) != 0 {
			w.Error("an empty store has rows")
		}
		return errors.Join(err, errA, errG, errC, errI, errP, errE, errL)
	})
}

func newStoreIsPaused(w *world) {
	w.do(func(tx *store.Tx) error {
		list, err := tx.Pauses()
		if len(list) != 1 || list[0].Resource != "" || list[0].By != "chronoops" || !list[0].Until.IsZero() || !list[0].Active(Begin.AddDate(10, 0, 0)) {
			w.Errorf("pauses of a new store: %+v", list)
		}
		return err
	})
	w.do(func(tx *store.Tx) error {
		n, err := tx.Resume("")
		w.equal("pauses resumed", int64(1), n)
		return err
	})
	w.reopen()
	w.do(func(tx *store.Tx) error {
		list, err := tx.Pauses()
		if len(list) != 0 {
			w.Errorf("paused again when opened again: %+v", list)
		}
		return err
	})
}

func pauses(w *world) {
	resources := func() (names []string) {
		w.do(func(tx *store.Tx) error {
			list, err := tx.Pauses()
			for _, p := range list {
				names = append(names, p.Resource+":"+p.Reason)
			}
			return err
		})
		return names
	}
	w.do(func(tx *store.Tx) error {
		_, err := tx.Resume("")
		return errors.Join(err,
			tx.Pause(receiver.Pause{Resource: "b", Reason: "one", By: "ann", At: tx.Now(), Until: tx.Now().Add(time.Minute)}),
			tx.Pause(receiver.Pause{Resource: "a", Reason: "two", By: "ann", At: tx.Now()}),
			tx.Pause(receiver.Pause{Reason: "all", By: "bob", At: tx.Now(), Until: tx.Now().Add(time.Hour)}))
	})
	w.equal("pauses", []string{":all", "a:two", "b:one"}, resources())
	w.do(func(tx *store.Tx) error {
		return tx.Pause(receiver.Pause{Resource: "a", Reason: "three", By: "bob", At: tx.Now()})
	})
	w.equal("replaced", []string{":all", "a:three", "b:one"}, resources())
	w.clock.Pass(time.Minute)
	w.equal("one has ended", []string{":all", "a:three"}, resources())
	w.do(func(tx *store.Tx) error {
		n, err := tx.Resume("a")
		none, err2 := tx.Resume("no such")
		w.equal("resumed", []int64{1, 0}, []int64{n, none})
		return errors.Join(err, err2)
	})
	w.equal("resumed", []string{":all"}, resources())
	w.do(func(tx *store.Tx) error { _, err := tx.Resume(""); return err })
	w.equal("all resumed", []string(nil), resources())
}

func inbox(w *world) {
	insert := func(source, hash string) (repeat bool) {
		w.do(func(tx *store.Tx) (err error) {
			repeat, err = tx.InsertMessage(source, hash, []byte("{\"a\": \"\xff\"}"))
			return err
		})
		return repeat
	}
	got := []bool{insert("prod", "h1")}
	w.clock.Pass(time.Minute)
	got = append(got, insert("prod", "h1"), insert("prod", "h2"), insert("test", "h1"), insert("prod", "h1"))
	w.equal("repeats", []bool{false, true, false, false, true}, got)
	w.do(func(tx *store.Tx) error { return errors.Join(tx.SawWatchdog("test"), tx.SawWatchdog("nobody")) })
	w.do(func(tx *store.Tx) error {
		list, err := tx.Sources()
		now := w.clock.Now()
		w.equal("sources", []receiver.SourceState{{Name: "prod", Message: now}, {Name: "test", Message: now, Watchdog: now}}, list)
		return err
	})
	w.clock.Pass(time.Hour)
	insert("prod", "h3")
	w.do(func(tx *store.Tx) error {
		n, err := tx.DeleteMessages(tx.Now())
		w.equal("deleted", int64(3), n)
		return err
	})
	w.equal("after deletion", []bool{false, true}, []bool{insert("prod", "h1"), insert("prod", "h3")})
}

func latestTime(w *world) {
	latest := func() (t time.Time) {
		w.do(func(tx *store.Tx) (err error) { t, err = tx.Latest(); return err })
		return t
	}
	w.equal("of a new store", Begin, latest())
	i, _ := w.incident(1)
	for n, fn := range []func(*store.Tx) error{
		func(tx *store.Tx) error { return tx.AddEvent(receiver.Event{Incident: i, Kind: "x"}) },
		func(tx *store.Tx) error { _, err := tx.InsertMessage("prod", "h", nil); return err },
		func(tx *store.Tx) error { return tx.Pause(receiver.Pause{At: tx.Now()}) },
	} {
		w.clock.Pass(time.Minute)
		w.do(fn)
		w.equal(fmt.Sprintf("after write %d", n), w.clock.Now(), latest())
	}
}

func dataSurvives(w *world) {
	i, e := w.incident(1)
	a, p := w.attempt(anAttempt(i, e)), w.page(aPage(i))
	w.mustChange(a, start)
	w.reopen()
	w.do(func(tx *store.Tx) error {
		claimed, ok, err := tx.ClaimAttempt("after", time.Minute, receiver.P1)
		if !ok || claimed.ID != a || claimed.State != receiver.AttemptStarted {
			w.Errorf("attempt after reopening: %+v, %v", claimed, ok)
		}
		page, ok, errP := tx.ClaimPage("after", time.Minute, receiver.P1)
		if !ok || page.ID != p {
			w.Errorf("page after reopening: %+v, %v", page, ok)
		}
		return errors.Join(err, errP)
	})
}

func errorsRollBack(w *world) {
	fault := errors.New("a fault")
	err := w.try(func(tx *store.Tx) error {
		if _, err := tx.InsertIncident(anIncident(1)); err != nil {
			return err
		}
		return fault
	})
	if !errors.Is(err, fault) {
		w.Errorf("error is %v", err)
	}
	w.empty()
}

func panicRollsBack(w *world) {
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				w.Errorf("recovered %v, want the panic itself", r)
			}
		}()
		_ = w.try(func(tx *store.Tx) error {
			if _, err := tx.InsertIncident(anIncident(1)); err != nil {
				return err
			}
			panic("boom")
		})
	}()
	w.empty()
	w.incident(1) // and the store works on
}

func (w *world) empty() {
	w.Helper()
	w.do(func(tx *store.Tx) error {
		list, err := tx.Incidents(false, 10)
		if len(list) != 0 {
			w.Errorf("%d incidents were written", len(list))
		}
		return err
	})
}

func cancelledContext(w *world) {
	ctx, cancel := context.WithCancel(w.Context())
	err := w.db.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.InsertIncident(anIncident(1)); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if err == nil {
		w.Error("commit of a cancelled transaction succeeded")
	}
	if err := w.db.Update(ctx, func(*store.Tx) error { return nil }); err == nil {
		w.Error("a transaction began in a cancelled context")
	}
	w.empty()
}

func viewIsOneSnapshot(w *world) {
	w.incident(1)
	count := func(tx *store.Tx) int {
		list, err := tx.Incidents(false, 10)
		if err != nil {
			w.Error(err)
		}
		return len(list)
	}
	err := w.db.View(w.Context(), func(tx *store.Tx) error {
		before := count(tx)
		w.incident(2)
		w.equal("incidents in a view before and after a write", []int{1, 1}, []int{before, count(tx)})
		return nil
	})
	if err != nil {
		w.Error(err)
	}
	w.do(func(tx *store.Tx) error { w.equal("incidents", 2, count(tx)); return nil })
}

func viewDoesNotWrite(w *world) {
	err := w.db.View(w.Context(), func(tx *store.Tx) error {
		_, err := tx.InsertIncident(anIncident(1))
		return err
	})
	if err == nil {
		w.Error("a view wrote")
	}
	w.empty()
	w.incident(1)
}

func oneTime(w *world) {
	w.clock.Pass(1234567 * time.Nanosecond)
	w.do(func(tx *store.Tx) error {
		now := tx.Now()
		w.equal("time in whole milliseconds", Begin.Add(time.Millisecond), now)
		w.clock.Pass(time.Hour)
		w.equal("time within a transaction", now, tx.Now())
		return nil
	})
}

func (w *world) claim(p receiver.Priority) (id int64) {
	w.Helper()
	w.do(func(tx *store.Tx) error {
		a, ok, err := tx.ClaimAttempt("worker", time.Minute, p)
		if ok != (a.ID != 0) {
			w.Errorf("claim says %v about %+v", ok, a)
		}
		id = a.ID
		return err
	})
	return id
}

func claimsInOrder(w *world) {
	var ids []int64
	for n, after := range []time.Duration{3, 1, 2, 1} {
		i, e := w.incident(n)
		a := anAttempt(i, e)
		a.Due = Begin.Add(after * time.Second)
		ids = append(ids, w.attempt(a))
	}
	w.clock.Pass(3 * time.Second)
	want := []int64{ids[1], ids[3], ids[2], ids[0], 0}
	var got []int64
	for range want {
		got = append(got, w.claim(receiver.P1))
	}
	w.equal("claimed", want, got)
}

func claimsOnePriority(w *world) {
	var ids []int64
	for n, p := range []receiver.Priority{receiver.P2, receiver.P0, receiver.P1} {
		i, e := w.incident(n)
		a := anAttempt(i, e)
		a.Priority = p
		ids = append(ids, w.attempt(a))
	}
	got := []int64{w.claim(receiver.P0), w.claim(receiver.P0), w.claim(receiver.P1), w.claim(receiver.P2)}
	w.equal("claimed", []int64{ids[1], 0, ids[2], ids[0]}, got)
}

func claimsNotBeforeDue(w *world) {
	i, e := w.incident(1)
	a := anAttempt(i, e)
	a.Due = Begin.Add(time.Second)
	id := w.attempt(a)
	p := aPage(i)
	p.Due = Begin.Add(time.Second)
	w.page(p)
	w.clock.Pass(999 * time.Millisecond)
	w.equal("claimed early", int64(0), w.claim(receiver.P1))
	w.do(func(tx *store.Tx) error {
		_, ok, err := tx.ClaimPage("w", time.Minute, receiver.P1)
		w.equal("page claimed early", false, ok)
		return err
	})
	w.clock.Pass(time.Millisecond)
	w.equal("claimed in time", id, w.claim(receiver.P1))
	w.do(func(tx *store.Tx) error {
		page, ok, err := tx.ClaimPage("w", time.Minute, receiver.P1)
		w.equal("page claimed in time", true, ok && page.Lease.Owner == "w" && page.Lease.Until.Equal(tx.Now().Add(time.Minute)))
		return err
	})
	// What is final is never due.
	w.mustChange(id, end(receiver.AttemptDropped))
	w.clock.Pass(time.Hour)
	w.equal("claimed after the end", int64(0), w.claim(receiver.P1))
}

func leaseExpires(w *world) {
	i, e := w.incident(1)
	id := w.attempt(anAttempt(i, e))
	take := func() (a receiver.Attempt) {
		w.do(func(tx *store.Tx) (err error) {
			a, _, err = tx.ClaimAttempt("worker", time.Minute, receiver.P1)
			return err
		})
		return a
	}
	first := take()
	w.clock.Pass(time.Minute - time.Millisecond)
	w.equal("while the lease lasts", int64(0), take().ID)
	w.clock.Pass(time.Millisecond)
	second := take()
	w.equal("after the lease", id, second.ID)
	w.equal("tries", []int{1, 2}, []int{first.Lease.Tries, second.Lease.Tries})
	if second.Lease.Fence <= first.Lease.Fence {
		w.Errorf("fence went from %d to %d", first.Lease.Fence, second.Lease.Fence)
	}
	// An outcome frees the row and, if it says so, its tries.
	second.Lease.Owner, second.Lease.Tries = "", 0
	w.do(func(tx *store.Tx) error { return tx.SaveAttempt(second) })
	w.equal("tries after an outcome", 1, take().Lease.Tries)
}

func staleWorker(w *world) {
	i, e := w.incident(1)
	w.attempt(anAttempt(i, e))
	w.page(aPage(i))
	var (
		a  receiver.Attempt
		p  receiver.Page
		in receiver.Incident
	)
	take := func() {
		w.do(func(tx *store.Tx) (err error) {
			var errI, errP error
			a, _, err = tx.ClaimAttempt("worker", time.Minute, receiver.P1)
			in, _, errI = tx.ClaimIncident("worker", time.Minute, receiver.P1)
			p, _, errP = tx.ClaimPage("worker", time.Minute, receiver.P1)
			return errors.Join(err, errI, errP)
		})
	}
	take()
	staleA, staleI, staleP := a, in, p
	w.clock.Pass(time.Minute)
	take()
	staleA.Reason, staleI.Title, staleP.Error = "stale", "stale", "stale"
	for what, fn := range map[string]func(*store.Tx) error{
		"attempt":  func(tx *store.Tx) error { return tx.SaveAttempt(staleA) },
		"incident": func(tx *store.Tx) error { return tx.SaveIncident(staleI) },
		"page":     func(tx *store.Tx) error { return tx.SavePage(staleP) },
		"lease":    func(tx *store.Tx) error { return tx.ExtendAttempt(staleA, tx.Now().Add(time.Hour)) },
	} {
		err := w.try(func(tx *store.Tx) error {
			// Whatever else the stale worker writes beside it is gone as well.
			return errors.Join(tx.AddEvent(receiver.Event{Incident: i, Kind: "stale"}), fn(tx))
		})
		if !errors.Is(err, store.ErrFenced) {
			w.Errorf("%s of a stale worker: %v, want ErrFenced", what, err)
		}
	}
	// The row has ended meanwhile: still it is the fence that says so.
	over := a
	start(&over)
	w.do(func(tx *store.Tx) error { return tx.SaveAttempt(over) })
	end(receiver.AttemptFailed)(&over)
	w.do(func(tx *store.Tx) error { return tx.SaveAttempt(over) })
	if err := w.try(func(tx *store.Tx) error { return tx.SaveAttempt(staleA) }); !errors.Is(err, store.ErrFenced) {
		w.Errorf("a stale worker after the end: %v, want ErrFenced", err)
	}
	w.do(func(tx *store.Tx) error {
		gotA, err := tx.Attempt(a.ID)
		gotI, errI := tx.Incident(i)
		pages, errP := tx.Pages(i)
		events, errE := tx.Events(i)
		if gotA.Reason == "stale" || gotI.Title == "stale" || pages[0].Error == "stale" || len(events) != 0 {
			w.Error("a stale worker wrote")
		}
		return errors.Join(err, errI, errP, errE)
	})
	in.Title, p.Error = "fresh", "fresh"
	w.do(func(tx *store.Tx) error { return errors.Join(tx.SaveIncident(in), tx.SavePage(p)) })
}

func extendLease(w *world) {
	i, e := w.incident(1)
	w.attempt(anAttempt(i, e))
	w.do(func(tx *store.Tx) error {
		a, _, err := tx.ClaimAttempt("worker", time.Minute, receiver.P1)
		return errors.Join(err, tx.ExtendAttempt(a, tx.Now().Add(time.Hour)))
	})
	w.clock.Pass(59 * time.Minute)
	w.equal("claimed while extended", int64(0), w.claim(receiver.P1))
	w.clock.Pass(time.Minute)
	if w.claim(receiver.P1) == 0 {
		w.Error("an extended lease never ends")
	}
}

func concurrentClaims(w *world) {
	const rows, workers = 40, 8
	i, _ := w.incident(1)
	for range rows {
		w.page(aPage(i))
	}
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		claims = map[int64]int{}
	)
	for n := range workers {
		wg.Go(func() {
			for {
				var page receiver.Page
				var ok bool
				err := w.try(func(tx *store.Tx) (err error) {
					page, ok, err = tx.ClaimPage(strconv.Itoa(n), time.Minute, receiver.P1)
					return err
				})
				if err != nil {
					w.Error(err)
					return
				}
				if !ok {
					return
				}
				mu.Lock()
				claims[page.ID]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(claims) != rows {
		w.Errorf("%d rows were claimed, want %d", len(claims), rows)
	}
	for id, n := range claims {
		if n != 1 {
			w.Errorf("row %d was claimed %d times", id, n)
		}
	}
}

func nextDue(w *world) {
	next := func() (repair, page time.Duration) {
		w.do(func(tx *store.Tx) error {
			r, errR := tx.NextRepair()
			p, errP := tx.NextPage()
			if !r.IsZero() {
				repair = r.Sub(Begin)
			}
			if !p.IsZero() {
				page = p.Sub(Begin)
			}
			return errors.Join(errR, errP)
		})
		return repair, page
	}
	want := func(what string, repair, page time.Duration) {
		w.Helper()
		gotR, gotP := next()
		w.equal(what, []time.Duration{repair, page}, []time.Duration{gotR, gotP})
	}
	want("nothing", 0, 0)
	in := anIncident(1)
	in.Due = Begin.Add(time.Hour)
	w.do(func(tx *store.Tx) (err error) { in.ID, err = tx.InsertIncident(in); return err })
	want("an incident", 0, time.Hour)
	p := aPage(in.ID)
	p.Due = Begin.Add(time.Minute)
	w.page(p)
	want("and a page", 0, time.Minute)
	a := anAttempt(in.ID, 0)
	a.Due = Begin.Add(time.Second)
	id := w.attempt(a)
	want("and an attempt", time.Second, time.Minute)
	w.clock.Pass(time.Second)
	w.claim(receiver.P1)
	want("a row that is leased is due when the lease ends", time.Minute+time.Second, time.Minute)
	w.mustChange(id, end(receiver.AttemptDropped))
	want("the attempt has ended", 0, time.Minute)
}

func dueAndFinal(w *world) {
	i, e := w.incident(1)
	open := []receiver.AttemptState{
		receiver.AttemptWaiting, receiver.AttemptBlocked, receiver.AttemptProposed,
	}
	final := []receiver.AttemptState{
		receiver.AttemptFailed, receiver.AttemptUnknown, receiver.AttemptRefused, receiver.AttemptShadowed, receiver.AttemptDropped,
	}
	for _, s := range slices.Concat(open, final) {
		a := anAttempt(i, 0)
		a.State = s
		if s.Final() {
			w.refused(fmt.Sprintf("attempt %s with due", s), func(tx *store.Tx) error { _, err := tx.InsertAttempt(a); return err })
			a.Due = time.Time{}
			w.attempt(a)
		} else {
			w.attempt(a)
			a.Due = time.Time{}
			w.refused(fmt.Sprintf("attempt %s without due", s), func(tx *store.Tx) error { _, err := tx.InsertAttempt(a); return err })
		}
	}
	id := w.attempt(anAttempt(i, e))
	if w.change(id, func(a *receiver.Attempt) { a.State = receiver.AttemptDropped }) == nil {
		w.Error("an attempt ended and stayed due")
	}
	if w.change(id, func(a *receiver.Attempt) { a.Due = time.Time{} }) == nil {
		w.Error("a waiting attempt lost its due")
	}
	if w.change(id, func(a *receiver.Attempt) { a.State = receiver.AttemptStarted }) == nil {
		w.Error("an attempt started at no time")
	}
	for s, due := range map[receiver.PageState]bool{
		receiver.PagePending: true, receiver.PageSending: true, receiver.PageSent: false, receiver.PageFailed: false,
		receiver.PageAmbiguous: false, receiver.PageDropped: false,
	} {
		p := aPage(i)
		p.State = s
		if due {
			p.Due = time.Time{}
		}
		w.refused(fmt.Sprintf("page %s with due %v", s, !due), func(tx *store.Tx) error { _, err := tx.InsertPage(p); return err })
	}
	none := anIncident(2)
	none.Due = time.Time{}
	w.refused("an open incident without due", func(tx *store.Tx) error { _, err := tx.InsertIncident(none); return err })
	for what, change := range map[string]func(*receiver.Incident){
		"a resolved incident with due":    func(in *receiver.Incident) { in.Resolved = Begin },
		"an open incident that loses due": func(in *receiver.Incident) { in.Due = time.Time{} },
	} {
		w.refused(what, func(tx *store.Tx) error {
			in, err := tx.Incident(i)
			if err != nil {
				return nil
			}
			change(&in)
			return tx.SaveIncident(in)
		})
	}
}

func strangeValues(w *world) {
	i, e := w.incident(1)
	a := anAttempt(i, e)
	a.State = "asleep"
	w.refused("an attempt asleep", func(tx *store.Tx) error { _, err := tx.InsertAttempt(a); return err })
	p := aPage(i)
	p.State = "asleep"
	w.refused("a page asleep", func(tx *store.Tx) error { _, err := tx.InsertPage(p); return err })
	for _, priority := range []receiver.Priority{-1, 3} {
		a, p, in, ep := anAttempt(i, e), aPage(i), anIncident(9), anEpisode(i, 9)
		a.Priority, p.Priority, in.Priority, ep.Priority = priority, priority, priority, priority
		w.refused("an attempt of "+priority.String(), func(tx *store.Tx) error { _, err := tx.InsertAttempt(a); return err })
		w.refused("a page of "+priority.String(), func(tx *store.Tx) error { _, err := tx.InsertPage(p); return err })
		w.refused("an incident of "+priority.String(), func(tx *store.Tx) error { _, err := tx.InsertIncident(in); return err })
		w.refused("an episode of "+priority.String(), func(tx *store.Tx) error { _, err := tx.InsertEpisode(ep); return err })
	}
}

func forbiddenMoves(w *world) {
	i, e := w.incident(1)
	id := w.attempt(anAttempt(i, e))
	for _, to := range []receiver.AttemptState{receiver.AttemptApplied, receiver.AttemptVerified, receiver.AttemptUndoing, receiver.AttemptFailed} {
		if w.change(id, func(a *receiver.Attempt) { start(a); a.State = to }) == nil {
			w.Errorf("an attempt went from waiting to %s", to)
		}
	}
	w.mustChange(id, start)
	if w.change(id, func(a *receiver.Attempt) { a.State = receiver.AttemptWaiting }) == nil {
		w.Error("a started attempt waits again")
	}
	w.mustChange(id, end(receiver.AttemptFailed))
	if w.change(id, func(a *receiver.Attempt) { a.State, a.Due = receiver.AttemptWaiting, Begin }) == nil {
		w.Error("a failed attempt waits again")
	}
}

func uniqueLock(w *world) {
	i, e := w.incident(1)
	j, f := w.incident(2)
	first, second := w.attempt(anAttempt(i, e)), w.attempt(anAttempt(j, f))
	w.mustChange(first, start)
	if w.change(second, start) == nil {
		w.Error("two attempts started on one resource")
	}
	w.mustChange(first, func(a *receiver.Attempt) { a.State, a.Applied = receiver.AttemptApplied, Begin })
	if w.change(second, start) == nil {
		w.Error("an attempt started on a resource where another is being verified")
	}
	w.mustChange(first, func(a *receiver.Attempt) { a.State = receiver.AttemptUndoing })
	if w.change(second, start) == nil {
		w.Error("an attempt started on a resource where another is being undone")
	}
	// Another resource is free, and this one once the first has ended.
	third := w.attempt(anAttempt(0, 0))
	w.mustChange(third, func(a *receiver.Attempt) { start(a); a.Resource = "fake/db" })
	w.mustChange(first, end(receiver.AttemptFailed))
	w.mustChange(second, start)
}

func oneOpenAttempt(w *world) {
	i, e := w.incident(1)
	id := w.attempt(anAttempt(i, e))
	w.refused("a second open attempt", func(tx *store.Tx) error { _, err := tx.InsertAttempt(anAttempt(i, e)); return err })
	w.do(func(tx *store.Tx) error {
		a, ok, err := tx.OpenAttempt(e)
		w.equal("open attempt", id, a.ID)
		w.equal("found", true, ok)
		return err
	})
	w.mustChange(id, end(receiver.AttemptRefused))
	w.do(func(tx *store.Tx) error {
		_, ok, err := tx.OpenAttempt(e)
		w.equal("found after the end", false, ok)
		return err
	})
	w.attempt(anAttempt(i, e))
	// What people ask for belongs to no episode, and there may be any number of it.
	w.attempt(anAttempt(0, 0))
	w.attempt(anAttempt(0, 0))
}

func oneOpenEpisode(w *world) {
	i, e := w.incident(1)
	w.refused("a second open episode of an alert", func(tx *store.Tx) error { _, err := tx.InsertEpisode(anEpisode(i, 1)); return err })
	w.do(func(tx *store.Tx) error {
		other := anEpisode(i, 1)
		other.Source = "test"
		_, err := tx.InsertEpisode(other)
		return err
	})
	w.do(func(tx *store.Tx) error {
		ep, ok, err := tx.OpenEpisode("prod", "alert 1")
		if err != nil || !ok || ep.ID != e {
			w.Errorf("open episode %+v, %v", ep, ok)
		}
		ep.Resolved = tx.Now()
		return errors.Join(err, tx.SaveEpisode(ep))
	})
	w.do(func(tx *store.Tx) error {
		firing, err := tx.Firing(i)
		w.equal("the one of the other source still fires", true, firing)
		none, errN := tx.Firing(99)
		w.equal("an incident that does not exist", false, none)
		list, errL := tx.Episodes(i)
		list[1].Resolved = tx.Now()
		errS := tx.SaveEpisode(list[1])
		firing, errF := tx.Firing(i)
		w.equal("none fires", false, firing)
		return errors.Join(err, errN, errL, errS, errF)
	})
	w.do(func(tx *store.Tx) error {
		_, ok, err := tx.OpenEpisode("prod", "alert 1")
		w.equal("open after the end", false, ok)
		_, errI := tx.InsertEpisode(anEpisode(i, 1))
		return errors.Join(err, errI)
	})
}

func oneOpenIncident(w *world) {
	w.incident(1)
	w.refused("a second open incident of a group", func(tx *store.Tx) error { _, err := tx.InsertIncident(anIncident(1)); return err })
	other := anIncident(1)
	other.Source = "test"
	w.do(func(tx *store.Tx) error { _, err := tx.InsertIncident(other); return err })
}

func (w *world) resolve(id int64) {
	w.Helper()
	w.do(func(tx *store.Tx) error {
		in, err := tx.Incident(id)
		if err != nil {
			return err
		}
		in.Resolved, in.Due = tx.Now(), time.Time{}
		return tx.SaveIncident(in)
	})
}

func groupIncident(w *world) {
	group := func(since time.Duration) (id int64) {
		w.do(func(tx *store.Tx) error {
			in, ok, err := tx.GroupIncident("prod", "group 1", Begin.Add(since))
			w.equal("found", in.ID != 0, ok)
			id = in.ID
			return err
		})
		return id
	}
	first, _ := w.incident(1)
	w.equal("open", first, group(time.Hour))
	w.clock.Pass(time.Minute)
	w.resolve(first)
	w.equal("resolved in time", first, group(time.Minute))
	w.equal("resolved too early", int64(0), group(time.Minute+time.Millisecond))
	var second int64
	w.do(func(tx *store.Tx) (err error) { second, err = tx.InsertIncident(anIncident(1)); return err })
	w.equal("the open one wins", second, group(0))
	w.clock.Pass(time.Minute)
	w.resolve(second)
	w.equal("the newest wins", second, group(0))
	w.do(func(tx *store.Tx) error {
		_, ok, err := tx.GroupIncident("test", "group 1", time.Time{})
		w.equal("of another source", false, ok)
		return err
	})
}

func history(w *world) {
	i, e := w.incident(1)
	j, f := w.incident(2)
	get := func(step int, resource string, episode int64) (h receiver.AttemptHistory) {
		w.Helper()
		w.do(func(tx *store.Tx) (err error) {
			h, err = tx.AttemptHistory("api-down", step, resource, episode)
			return err
		})
		return h
	}
	w.equal("nothing", receiver.AttemptHistory{}, get(0, "fake/api", e))
	// run is one attempt that started and ended a minute later.
	run := func(incident, episode int64, step int, policy, resource string) int64 {
		a := anAttempt(incident, episode)
		a.Step, a.Policy = step, policy
		id := w.attempt(a)
		w.mustChange(id, func(a *receiver.Attempt) {
			a.State, a.Started, a.Resource = receiver.AttemptStarted, w.clock.Now(), resource
		})
		w.clock.Pass(time.Minute)
		w.mustChange(id, func(a *receiver.Attempt) {
			a.State, a.Ended, a.Due = receiver.AttemptFailed, w.clock.Now(), time.Time{}
		})
		return id
	}
	run(i, e, 0, "api-down", "fake/api")
	ended := w.clock.Now()
	w.equal("one run", receiver.AttemptHistory{LastEnd: ended, InEpisode: 1, InDay: 1}, get(0, "fake/api", e))
	w.equal("for another alert", receiver.AttemptHistory{LastEnd: ended, InDay: 1}, get(0, "fake/api", f))
	w.equal("another resource", receiver.AttemptHistory{InEpisode: 1}, get(0, "fake/db", e))
	w.equal("a later step counts its own runs only", receiver.AttemptHistory{}, get(1, "fake/api", e))
	run(j, f, 1, "api-down", "fake/api")
	w.equal("the first step counts all", receiver.AttemptHistory{LastEnd: w.clock.Now(), InEpisode: 1, InDay: 2}, get(0, "fake/api", e))
	w.equal("the later step its own", receiver.AttemptHistory{LastEnd: w.clock.Now(), InEpisode: 1, InDay: 1}, get(1, "fake/api", f))
	last := w.clock.Now()
	run(i, e, 0, "other", "fake/api")
	w.equal("another policy", receiver.AttemptHistory{LastEnd: last, InEpisode: 2, InDay: 2}, get(0, "fake/api", e))
	// What was refused or dropped has not acted.
	refused := w.attempt(anAttempt(i, e))
	w.mustChange(refused, func(a *receiver.Attempt) { a.Resource = "fake/api"; end(receiver.AttemptRefused)(a) })
	w.equal("a refusal", receiver.AttemptHistory{LastEnd: last, InEpisode: 2, InDay: 2}, get(0, "fake/api", e))
	w.clock.Pass(24 * time.Hour)
	w.equal("a day later", receiver.AttemptHistory{LastEnd: last, InEpisode: 2}, get(0, "fake/api", e))
	// While one acts, it holds the resource, and its start counts.
	acting := w.attempt(anAttempt(i, e))
	now := w.clock.Now()
	w.mustChange(acting, func(a *receiver.Attempt) { start(a); a.Started = now })
	w.equal("while one acts", receiver.AttemptHistory{Holder: acting, LastEnd: now, InEpisode: 2, InDay: 1}, get(0, "fake/api", e))
	w.equal("elsewhere nobody does", int64(0), get(0, "fake/db", e).Holder)
}

func dropPages(w *world) {
	i, _ := w.incident(1)
	j, _ := w.incident(2)
	pending, other := w.page(aPage(i)), w.page(aPage(j))
	closing := aPage(i)
	closing.Kind = receiver.NoticeResolved
	w.page(closing)
	sending := w.page(aPage(i))
	w.do(func(tx *store.Tx) error {
		list, err := tx.Pages(i)
		if err != nil {
			return err
		}
		p := list[2]
		w.equal("the page being sent", sending, p.ID)
		p.State = receiver.PageSending
		return tx.SavePage(p)
	})
	// A worker that holds a page that is dropped may not write it again.
	var held receiver.Page
	w.do(func(tx *store.Tx) (err error) { held, _, err = tx.ClaimPage("w", time.Minute, receiver.P1); return err })
	w.equal("held page", pending, held.ID)
	w.do(func(tx *store.Tx) error { return tx.DropPages(i, receiver.NoticeFiring, "acknowledged by ann") })
	held.State = receiver.PageSending
	if err := w.try(func(tx *store.Tx) error { return tx.SavePage(held) }); !errors.Is(err, store.ErrFenced) {
		w.Errorf("write of a dropped page: %v, want ErrFenced", err)
	}
	states := func(incident int64) (s []string) {
		w.do(func(tx *store.Tx) error {
			list, err := tx.Pages(incident)
			for _, p := range list {
				s = append(s, fmt.Sprintf("%s %s %s", p.Kind, p.State, p.Error))
			}
			return err
		})
		return s
	}
	w.equal("pages", []string{"firing dropped acknowledged by ann", "resolved pending ", "firing sending "}, states(i))
	w.equal("pages of another incident", []string{"firing pending "}, states(j))
	_ = other
}

func lists(w *world) {
	i, e := w.incident(1)
	j, f := w.incident(2)
	k, _ := w.incident(3)
	a, b, c := w.attempt(anAttempt(i, e)), w.attempt(anAttempt(j, f)), w.attempt(anAttempt(0, 0))
	w.resolve(i)
	w.mustChange(a, end(receiver.AttemptDropped))
	w.do(func(tx *store.Tx) error {
		ids := func(list []receiver.Incident, err error) []int64 {
			var ids []int64
			for _, in := range list {
				ids = append(ids, in.ID)
			}
			return append(ids, errorCode(err))
		}
		w.equal("incidents", []int64{k, j, i, 0}, ids(tx.Incidents(false, 10)))
		w.equal("the newest two", []int64{k, j, 0}, ids(tx.Incidents(false, 2)))
		w.equal("open incidents", []int64{k, j, 0}, ids(tx.Incidents(true, 10)))
		attempts := func(list []receiver.Attempt, err error) []int64 {
			var ids []int64
			for _, at := range list {
				ids = append(ids, at.ID)
			}
			return append(ids, errorCode(err))
		}
		w.equal("attempts of an incident", []int64{a, 0}, attempts(tx.Attempts(i)))
		w.equal("recent attempts", []int64{c, b, 0}, attempts(tx.RecentAttempts(2)))
		w.equal("open attempts", []int64{b, c, 0}, attempts(tx.OpenAttempts()))
		count, err := tx.OpenIncidents()
		w.equal("open by priority", [3]int{0, 2, 0}, count)
		firing, errF := tx.FiringEpisodes()
		w.equal("firing episodes", 3, len(firing))
		episodes, errE := tx.Episodes(i)
		w.equal("episodes of an incident", 1, len(episodes))
		return errors.Join(err, errF, errE)
	})
}

func errorCode(err error) int64 {
	if err != nil {
		return -1
	}
	return 0
}

func references(w *world) {
	w.refused("an episode of no incident", func(tx *store.Tx) error { _, err := tx.InsertEpisode(anEpisode(99, 1)); return err })
	w.refused("a page of no incident", func(tx *store.Tx) error { _, err := tx.InsertPage(aPage(99)); return err })
	w.refused("an attempt of no incident", func(tx *store.Tx) error { _, err := tx.InsertAttempt(anAttempt(99, 0)); return err })
	w.refused("an attempt of no episode", func(tx *store.Tx) error { _, err := tx.InsertAttempt(anAttempt(0, 99)); return err })
	w.refused("an event of no incident", func(tx *store.Tx) error { return tx.AddEvent(receiver.Event{Incident: 99, Kind: "x"}) })
}
