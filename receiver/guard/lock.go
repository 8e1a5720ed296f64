package guard

import "fmt"

// lock refuses while another attempt acts on the same resource or has not been proven there.
func lock(f Facts) Verdict {
	if h := f.History.Holder; h != 0 && h != f.Attempt.ID {
		return wait(fmt.Sprintf("attempt %d is still at work on %s", h, f.Resource))
	}
	return pass()
}
