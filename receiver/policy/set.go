package policy

import (
	"errors"
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

// Set is everything that decides what happens to an alert. It is never changed once in use; a reload replaces it.
type Set struct {
	Mode         receiver.Mode // the ceiling over every policy's own mode
	Policies     []Policy      // the first that matches wins
	Ladders      Ladders
	Owns         Matchers      // over alert labels: what this instance may repair; none means everything
	Hold         time.Duration // the longest a repair may delay the pages of P1 and P2
	ReopenWithin time.Duration // a resolved incident is reopened within this time
	AckFor       time.Duration // an acknowledgement expires after this time
	Recheck      time.Duration // how often a repair that a guard refused is looked at again
	ApprovalFor  time.Duration // how long a proposed plan waits for a person
	IgnoreLabels []string      // not part of an alert's identity
	MaxBody      int64         // of one message, in bytes
}

// SetError is what is wrong with one policy of a Set.
type SetError struct {
	Policy int // its index
	text   string
}

// Error implements error.
func (e *SetError) Error() string { return e.text }

// Validate refuses double names and ladders that do not exist; each of the joined errors is a *SetError.
func (s *Set) Validate() error {
	var errs []error
	fault := func(policy int, format string, args ...any) {
		errs = append(errs, &SetError{Policy: policy, text: fmt.Sprintf(format, args...)})
	}
	seen := map[string]bool{}
	for i, p := range s.Policies {
		if seen[p.Name] {
			fault(i, "policy %q is configured twice: names must be unique", p.Name)
		}
		seen[p.Name] = true
		// Without any contact the default ladder may be missing: incidents are then shown, and nobody is paged.
		if _, ok := s.Ladders[p.Escalate]; !ok && (p.Escalate != DefaultLadder || len(s.Ladders) > 0) {
			fault(i, "policy %q escalates to %q: no such ladder under `escalation`", p.Name, p.Escalate)
		}
	}
	return errors.Join(errs...)
}

// Armed reports whether a repair could touch anything.
func (s *Set) Armed() bool {
	for _, p := range s.Policies {
		if len(p.Repair) > 0 && receiver.Stricter(s.Mode, p.Mode) > receiver.ModeShadow {
			return true
		}
	}
	return false
}

// Get returns the policy of that name.
func (s *Set) Get(name string) (*Policy, bool) {
	for i := range s.Policies {
		if s.Policies[i].Name == name {
			return &s.Policies[i], true
		}
	}
	return nil, false
}

// Ladder returns the ladder of a name as it is configured now, without levels if there is none.
func (s *Set) Ladder(name string) receiver.Ladder { return s.Ladders.freeze(name) }

// Decision is what the set says about one alert.
type Decision struct {
	Policy   *Policy // nil when none matches
	Priority receiver.Priority
	Ladder   receiver.Ladder
	Ignore   string // why no incident is opened, or ""
}

// Decide matches an alert. One that no policy matches pages the default ladder, but Watchdog and the severities info and
// none open no incident.
func (s *Set) Decide(labels map[string]string) Decision {
	for i := range s.Policies {
		p := &s.Policies[i]
		if p.Match.Matches(labels) {
			d := Decision{Policy: p, Priority: labelPriority(labels), Ladder: s.Ladders.freeze(p.Escalate)}
			if p.Priority != nil {
				d.Priority = *p.Priority
			}
			return d
		}
	}
	switch severity := labels["severity"]; {
	case IsWatchdog(labels):
		return Decision{Ignore: "watchdog"}
	case severity == "info" || severity == "none":
		return Decision{Ignore: "severity"}
	}
	return Decision{Priority: labelPriority(labels), Ladder: s.Ladders.freeze(DefaultLadder)}
}

// IsWatchdog reports whether an alert is the dead-man's switch that always fires.
func IsWatchdog(labels map[string]string) bool { return labels["alertname"] == "Watchdog" }

// labelPriority takes the label priority, else critical as P1 and everything else as P2: only a person calls it P0.
func labelPriority(labels map[string]string) receiver.Priority {
	if p, err := receiver.ParsePriority(labels["priority"]); err == nil {
		return p
	}
	if labels["severity"] == "critical" {
		return receiver.P1
	}
	return receiver.P2
}
