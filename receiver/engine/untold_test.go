package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
)

// An effect of which nobody can tell whether it happened pages; only what may safely run twice is tried again, and the next,
// harsher step never follows.
func TestUntoldEffectIsTriedAgainOnlyIfThatIsSafe(t *testing.T) {
	for _, idempotent := range []bool{true, false} {
		t.Run(fmt.Sprintf("idempotent=%t", idempotent), func(t *testing.T) {
			w := newWorld(t)
			w.addStep("fake.next")
			w.set.Policies[0].Repair[0].MaxAttempts = 2
			w.fix.idempotent = idempotent
			w.fix.applyErr = fmt.Errorf("connection lost: %w", action.ErrUnknown)
			w.fix.onApply = nil
			w.post("firing", api("a"))
			w.pass(time.Minute)
			w.wantPages("+0s oncall/email firing")
			w.pass(time.Hour)
			want := []receiver.AttemptState{receiver.AttemptUnknown}
			if idempotent {
				want = append(want, receiver.AttemptUnknown)
			}
			w.wantStates(1, want...)
			if w.fix.effects != len(want) || w.next.effects != 0 {
				t.Errorf("%d effects, %d of the next step, want %d and 0", w.fix.effects, w.next.effects, len(want))
			}
		})
	}
}
