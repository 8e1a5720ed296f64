package storetest

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/store"
)

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

func newProcessFreesLeases(w *world) {
	i, e := w.incident(1)
	waiting := w.attempt(anAttempt(i, e))
	i2, e2 := w.incident(2)
	started := w.attempt(anAttempt(i2, e2))
	w.mustChange(started, func(a *receiver.Attempt) {
		start(a)
		a.Lease = receiver.Lease{Owner: "before", Until: w.clock.Now().Add(time.Hour), Fence: a.Lease.Fence}
	})
	w.equal("claimed", waiting, w.claim(receiver.P1))
	w.equal("nothing else", int64(0), w.claim(receiver.P1))
	w.reopen()
	w.equal("claimed again at once", waiting, w.claim(receiver.P1))
	w.equal("the effect that has begun", int64(0), w.claim(receiver.P1))
}

func resumeWakes(w *world) {
	i, e := w.incident(1)
	id := w.attempt(anAttempt(i, e))
	block := func(guard string) {
		w.mustChange(id, func(a *receiver.Attempt) {
			a.State, a.Guard, a.Due = receiver.AttemptBlocked, guard, w.clock.Now().Add(time.Hour)
		})
	}
	resume := func() { w.do(func(tx *store.Tx) error { _, err := tx.Resume(""); return err }) }
	block("cooldown")
	resume()
	w.equal("held up by something else", int64(0), w.claim(receiver.P1))
	block("pause")
	resume()
	w.equal("held up by the pause", id, w.claim(receiver.P1))
}
