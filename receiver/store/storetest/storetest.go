// Package storetest is the conformance suite of receiver/store: whatever database is beneath it, it behaves like this.
package storetest

import (
	"context"
	"fmt"
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
		{"a new process frees leases, but not of effects", newProcessFreesLeases},
		{"resuming makes paused repairs due", resumeWakes},
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
