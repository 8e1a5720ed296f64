package guard

import "fmt"

// unless refuses while another alert explains this one.
func unless(f Facts) Verdict {
	if f.Person || len(f.Policy.Unless) == 0 {
		return pass()
	}
	for _, e := range f.Firing {
		if e.ID != f.Episode.ID && f.Policy.Unless.Matches(e.Labels) {
			return wait(fmt.Sprintf("%s is firing (incident %d): this repair waits for it", e.Name(), e.Incident))
		}
	}
	return pass()
}
