package guard

import "fmt"

// target refuses unless the action names exactly one allow-listed resource that this instance owns.
func target(f Facts) Verdict {
	if !f.Person && !f.Owned {
		return refuse("this instance does not own the alert: see instance.owns")
	}
	if f.ResourceErr != nil {
		return refuse(fmt.Sprintf("the target is not allowed: %v", f.ResourceErr))
	}
	if f.Resource == "" {
		return refuse("the action names no target")
	}
	return pass()
}
