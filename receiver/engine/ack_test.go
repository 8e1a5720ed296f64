package engine_test

import (
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

func TestFailedRepairEndsAnAcknowledgementBeforeTheFirstPage(t *testing.T) {
	w := newWorld(t)
	w.fix.works = false
	w.post("firing", api("a"))
	w.pass(time.Second)
	w.ack(1, "alice") // seen in the list while the page was held
	w.pass(3 * time.Minute)
	w.wantStates(1, receiver.AttemptFailed)
	w.wantPages("+2m0s oncall/email firing")
}
