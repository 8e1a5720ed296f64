package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

func TestLookThatDoesNotEndCouldNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.addStep("fake.next")
		w.fix.hangs = true
		w.post("firing", api("a"))
		w.pass(3 * time.Minute)
		w.wantStates(1, receiver.AttemptUnknown)
		if w.next.effects != 0 {
			t.Error("went on to the harsher step although nobody could tell")
		}
	})
}
