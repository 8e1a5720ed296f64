package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/store"
)

type fixedClock time.Time

func (c fixedClock) Now() time.Time { return time.Time(c) }

func TestOpenAttempts(t *testing.T) {
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: fixedClock(time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		var ids []int64
		for range 3 {
			id, err := tx.InsertAttempt(receiver.Attempt{
				Policy: "p", Action: "a", State: receiver.AttemptWaiting, Created: tx.Now(), Due: tx.Now(), Mode: receiver.ModeAuto,
			})
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		done, err := tx.Attempt(ids[1])
		if err != nil {
			return err
		}
		done.State, done.Due, done.Ended = receiver.AttemptDropped, time.Time{}, tx.Now()
		if err := tx.SaveAttempt(done); err != nil {
			return err
		}
		open, err := tx.OpenAttempts()
		var got []int64
		for _, a := range open {
			got = append(got, a.ID)
		}
		if diff := cmp.Diff([]int64{ids[0], ids[2]}, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
