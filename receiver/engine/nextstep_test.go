package engine_test

import (
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

func TestFailedRepairWhoseNextStepIsRefusedEndsTheAcknowledgement(t *testing.T) {
	w := newWorld(t)
	w.priority(receiver.P0)
	w.addStep("fake.next")
	w.fix.works = false
	w.fix.onApply = nil
	w.post("firing", api("a"))
	w.pass(time.Second)
	w.ack(1, "alice")
	w.pass(3 * time.Minute)
	w.wantStates(1, receiver.AttemptFailed, receiver.AttemptRefused)
	if w.next.effects != 0 {
		t.Error("went on to the next step behind the back of the person who is on it")
	}
	w.wantPages("+0s oncall/email firing", "+2m0s oncall/email firing")
}
