package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/store"
)

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
