package guard

import (
	"fmt"
	"time"
)

// cooldown lets a resource rest between two runs of a policy; it does not look at the episode, so that a flapping alert
// cannot reset it.
func cooldown(f Facts) Verdict {
	if f.Person || f.History.LastEnd.IsZero() {
		return pass()
	}
	rest := time.Duration(f.Step.Cooldown) - f.Now.Sub(f.History.LastEnd)
	if rest <= 0 {
		return pass()
	}
	return wait(fmt.Sprintf("%s acted on %s %s ago; cooldown %s has not passed", f.Attempt.Policy, f.Resource,
		f.Now.Sub(f.History.LastEnd).Truncate(time.Second), f.Step.Cooldown))
}
