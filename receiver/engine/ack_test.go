package engine_test

import (
	"errors"
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

func TestAcknowledgementDuringASendStopsItsRepeat(t *testing.T) {
	w := newWorld(t)
	w.pager.answer = func(string, receiver.Notice) error {
		w.ack(1, "alice")
		return errors.New("connection lost")
	}
	w.post("firing", map[string]string{"alertname": "Disk", "severity": "critical"})
	w.pass(time.Minute)
	w.wantPages("+0s oncall/email firing")
}
