package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/store"
)

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
