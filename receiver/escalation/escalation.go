// Package escalation computes who is paged next about an incident, and when to look again. It is pure.
package escalation

import (
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

const (
	// decideGrace is how long the first page of P1 and P2 waits for a repair to begin.
	decideGrace = 15 * time.Second
	// lookAgain is when an incident that nobody can be paged about is looked at again.
	lookAgain = time.Minute
)

// Input is what the next step depends on.
type Input struct {
	Now      time.Time
	Incident receiver.Incident
	Episodes []receiver.Episode // of the incident
	Hold     time.Duration      // the longest a repair may delay the first page, from the incident's opening
	// Reachable reports whether at least one of the roles has a channel now.
	Reachable func(roles []string) bool
}

// Step is what to do now. The incident carries its new level, round and due time.
type Step struct {
	Incident receiver.Incident
	Roles    []string // who is paged now; empty when nobody is
	Why      string   // why they are paged, or why nobody is, for the timeline; "" when nothing is new
}

// Next computes the step of an open incident whose time has come.
func Next(in Input) Step {
	i := in.Incident
	if i.Ack != nil {
		if until, ok := covered(in); ok {
			i.Due = until
			return Step{Incident: i}
		}
		why := fmt.Sprintf("the acknowledgement of %s no longer covers the incident", i.Ack.By)
		if !in.Now.Before(i.Ack.Until) {
			why = fmt.Sprintf("the acknowledgement of %s expired", i.Ack.By)
		}
		i.Ack, i.Level, i.Round, i.Held = nil, 0, 0, false
		in.Incident = i
		return page(in, why)
	}
	if proving(in) {
		i.Due = in.Now.Add(lookAgain)
		return Step{Incident: i}
	}
	if until, ok := held(in); ok {
		i.Due = until
		if i.Held {
			return Step{Incident: i}
		}
		i.Held = true
		return Step{Incident: i, Why: "the first page waits for the repair until " + until.UTC().Format(time.RFC3339) + " at the latest"}
	}
	in.Incident.Held = false
	return page(in, "")
}

// proving reports whether nothing fires any more and only the proof of a repair is awaited. One that failed is not
// awaited: the incident is open because people must look.
func proving(in Input) bool {
	awaited := false
	for _, e := range in.Episodes {
		if e.Firing() || e.Repair == receiver.RepairFailed || e.Repair == receiver.RepairUnknown {
			return false
		}
		awaited = awaited || e.Repair == receiver.RepairRunning
	}
	return awaited
}

// covered returns until when the acknowledgement stands for everything that fires.
func covered(in Input) (until time.Time, ok bool) {
	for _, e := range in.Episodes {
		if e.Firing() && !in.Incident.Ack.Covers(e.ID, e.Priority, in.Now) {
			return time.Time{}, false
		}
	}
	return in.Incident.Ack.Until, in.Now.Before(in.Incident.Ack.Until)
}

// held returns until when the first page waits for repairs. It does so only while every firing alert is being repaired,
// so that an alert without repair is never delayed by another's.
func held(in Input) (until time.Time, ok bool) {
	if in.Incident.Priority == receiver.P0 || in.Incident.Level > 0 || in.Hold <= 0 {
		return time.Time{}, false
	}
	until = in.Incident.Opened.Add(in.Hold)
	firing := false
	for _, e := range in.Episodes {
		// That its alert has cleared does not make a repair without proof less urgent.
		if e.Repair == receiver.RepairFailed || e.Repair == receiver.RepairUnknown {
			return time.Time{}, false
		}
		if !e.Firing() {
			continue
		}
		firing = true
		switch e.Repair {
		case receiver.RepairRunning, receiver.RepairVerified:
		case receiver.RepairPending:
			if grace := e.Opened.Add(decideGrace); grace.Before(until) {
				until = grace
			}
		default:
			return time.Time{}, false
		}
	}
	return until, firing && in.Now.Before(until)
}

// page goes to the next level that somebody can be reached at; the last one repeats.
func page(in Input, why string) Step {
	i := in.Incident
	levels := i.Ladder.Levels
	last := 0
	for n := i.Level + 1; n <= len(levels); n++ {
		if in.Reachable(levels[n-1].Roles) {
			i.Level, i.Round = n, 0
			return send(in, i, join(why, skipped(in.Incident.Level, n)))
		}
	}
	for n := len(levels); n >= 1 && last == 0; n-- {
		if in.Reachable(levels[n-1].Roles) {
			last = n
		}
	}
	if last == 0 {
		i.Due = in.Now.Add(lookAgain)
		first := i.Level == 0 && i.Round == 0
		i.Round++
		if !first {
			return Step{Incident: i}
		}
		if len(levels) == 0 {
			return Step{Incident: i, Why: "nobody is paged: no escalation is configured"}
		}
		return Step{Incident: i, Why: "nobody can be paged: no level has a contact with a working channel"}
	}
	i.Level = last
	i.Round++
	return send(in, i, join(why, fmt.Sprintf("nobody has acknowledged, repeat %d", i.Round)))
}

func send(in Input, i receiver.Incident, why string) Step {
	level := i.Ladder.Levels[i.Level-1]
	i.Due = in.Now.Add(min(level.Timeout, i.Priority.ResponseTarget()))
	return Step{Incident: i, Roles: level.Roles, Why: why}
}

func skipped(from, to int) string {
	switch {
	case to == from+1 && from > 0:
		return fmt.Sprintf("level %d has not acknowledged in time", from)
	case to > from+1:
		return fmt.Sprintf("nobody can be reached at level %d", from+1)
	}
	return ""
}

func join(a, b string) string {
	if a != "" && b != "" {
		return a + "; " + b
	}
	return a + b
}
