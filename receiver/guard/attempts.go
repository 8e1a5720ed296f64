package guard

import "fmt"

// attempts limits runs for one episode and in a day: a fault that comes back needs a person.
func attempts(f Facts) Verdict {
	if f.Person {
		return pass()
	}
	if n := f.History.InEpisode; n >= f.Step.MaxAttempts {
		return refuse(fmt.Sprintf("this step has run %d times for this alert, max_attempts is %d", n, f.Step.MaxAttempts))
	}
	if n := f.History.InDay; n >= f.Step.MaxPerDay {
		return refuse(fmt.Sprintf("%s has acted on %s %d times in 24 hours, max_per_day is %d", f.Attempt.Policy, f.Resource, n, f.Step.MaxPerDay))
	}
	return pass()
}
