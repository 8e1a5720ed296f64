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
	// Moments, not ages: a reason that changes with every look would fill the timeline.
	return wait(fmt.Sprintf("%s acted on %s until %s; its cooldown of %s ends at %s", f.Attempt.Policy, f.Resource,
		f.History.LastEnd.Format(time.TimeOnly), f.Step.Cooldown, f.Now.Add(rest).Format(time.TimeOnly)))
}
