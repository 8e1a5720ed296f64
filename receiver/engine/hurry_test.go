package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

func TestRefusedPageIsNotHammeredWhenNoFurtherLevelCanBeReached(t *testing.T) {
	w := newWorld(t)
	delete(w.pager.roles, "lead")
	w.pager.answer = func(string, receiver.Notice) error {
		return &receiver.SendError{Outcome: receiver.SendRefused, Reason: "auth", Err: errors.New("bad credential")}
	}
	w.post("firing", disk("a"))
	w.pass(2*time.Minute + time.Second)
	w.wantPages("+0s oncall/email firing", "+1m0s oncall/email firing", "+2m0s oncall/email firing")
}
