package receiver

import (
	"errors"
	"fmt"
	"testing"
)

func TestOutcomeOf(t *testing.T) {
	refused := &SendError{Outcome: SendRefused, Reason: "auth", Err: errors.New("bad token")}
	for _, c := range []struct {
		err  error
		want SendOutcome
	}{
		{nil, SendDelivered},
		{refused, SendRefused},
		{fmt.Errorf("page 7: %w", refused), SendRefused},
		{errors.New("something else"), SendUnknown}, // may have been delivered
		{&SendError{Err: errors.New("x")}, SendUnknown},
	} {
		if got := OutcomeOf(c.err); got != c.want {
			t.Errorf("OutcomeOf(%v) = %s, want %s", c.err, got, c.want)
		}
	}
	if got := refused.Error(); got != "refused (auth): bad token" {
		t.Errorf("text %q", got)
	}
	if got := SendOutcome(99).String(); got != "outcome(99)" {
		t.Errorf("unknown outcome is %q", got)
	}
}
