package engine_test

import (
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

func TestApprovalDoesNotOutliveALongPause(t *testing.T) {
	w := newWorld(t)
	w.set.Policies[0].Mode = receiver.ModeApprove
	w.post("firing", api("a"))
	w.pass(time.Minute)
	w.stop = "PAUSE"
	w.update(func(tx *storeTx) error {
		a, err := tx.Attempt(1)
		if err != nil {
			return err
		}
		a.State, a.Approval, a.Approved, a.Due = receiver.AttemptWaiting, a.Plan.Hash(), "alice", tx.Now()
		return tx.SaveAttempt(a)
	})
	w.pass(time.Minute)
	w.wantStates(1, receiver.AttemptBlocked)
	w.pass(5 * time.Hour)
	w.stop = ""
	w.pass(time.Minute)
	w.wantStates(1, receiver.AttemptProposed)
	if w.fix.effects != 0 {
		t.Error("acted on an approval of hours ago")
	}
}
