package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/store"
)

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
