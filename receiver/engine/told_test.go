package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

func TestResolvedIsNotSentOnceTheIncidentHasReopened(t *testing.T) {
	w := newWorld(t)
	w.post("firing", disk("a"))
	w.pass(time.Minute)
	w.pager.answer = func(_ string, n receiver.Notice) error {
		if n.Kind.Closes() {
			return &receiver.SendError{Outcome: receiver.SendRetry, Reason: "connect", Err: errors.New("refused")}
		}
		return nil
	}
	w.post("resolved", disk("a"))
	w.pass(2 * time.Second)
	w.post("firing", disk("a"))
	w.pager.answer = nil
	w.pass(20 * time.Second)
	w.wantPages("+0s oncall/email firing", "+1m0s oncall/email resolved", "+1m2s oncall/email firing")
	w.post("resolved", disk("a"))
	w.pass(20 * time.Second)
	w.wantPages("+0s oncall/email firing", "+1m0s oncall/email resolved", "+1m2s oncall/email firing", "+1m22s oncall/email resolved")
}

func TestWhoMayHaveBeenPagedIsToldOfTheEnd(t *testing.T) {
	w := newWorld(t)
	w.priority(receiver.P0)
	w.stop = "PAUSE"
	w.pager.answer = func(_ string, n receiver.Notice) error {
		if !n.Kind.Closes() {
			return errors.New("connection lost")
		}
		return nil
	}
	w.post("firing", api("a"))
	w.pass(time.Second)
	w.post("resolved", api("a")) // before the marked repeat
	w.pass(time.Minute)
	w.wantPages("+0s oncall/email firing", "+1s oncall/email resolved")
}
