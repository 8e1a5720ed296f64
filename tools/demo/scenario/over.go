package scenario

import (
	"errors"
	"fmt"
	"strings"
)

// over looks back: there was nothing besides the four faults.
func over(s *script) {
	s.title("After: everything is quiet again")
	for _, b := range []*board{s.rules, s.alerts} {
		s.await(string(b.who)+" sees no alert", b.none)
	}
	if s.err != nil {
		return
	}
	all := s.incidents.all()
	for _, d := range all {
		if d.Incident.Open() {
			s.err = errors.Join(s.err, fmt.Errorf("incident %d is still open: %s", d.Incident.ID, d.Incident.Title))
		}
	}
	if len(all) != 4 {
		var titles []string
		for _, d := range all {
			titles = append(titles, d.Incident.Title)
		}
		s.err = errors.Join(s.err, fmt.Errorf("expected: 4 incidents\nseen: %s", strings.Join(titles, "; ")))
	}
	if err := s.pages.audit(6); err != nil { // two about the first fault, four about the last
		s.err = errors.Join(s.err, err)
	}
	if s.err == nil {
		s.person("incident", "list", "--all")
	}
}
