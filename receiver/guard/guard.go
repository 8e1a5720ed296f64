// Package guard decides whether a repair may go on. Every guard is a pure function of Facts that the engine has gathered;
// one that lacks a fact refuses.
package guard

import (
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/policy"
)

// Facts are what guards look at. They are gathered anew for every evaluation.
type Facts struct {
	Now      time.Time
	Attempt  receiver.Attempt
	Policy   *policy.Policy // as configured now; nil when it is gone
	Step     *policy.Step   // as configured now; nil when it is gone
	Ceiling  receiver.Mode
	Person   bool // a person asked for this run by name: alert, mode and freshness do not apply
	Approved bool // a person has approved exactly the stored plan

	Pauses   []receiver.Pause
	StopFile string // path of the file that stops all repairs, or "" when it is absent
	StopErr  error  // why the file could not be looked for

	Episode  receiver.Episode
	Incident receiver.Incident
	Firing   []receiver.Episode // every open episode, for `unless`

	Resource    string
	ResourceErr error // why the action refuses the target, in its own words
	Owned       bool  // this instance owns the alert

	History receiver.AttemptHistory
	Acting  bool  // the effect is next: Alertmanager's answer must be there
	Live    *Live // what Alertmanager says now
}

// Live is an answer of Alertmanager about one alert.
type Live struct {
	State LiveState
	Err   error // unreachable, or nothing to ask
}

// LiveState is how Alertmanager sees an alert.
type LiveState string

// What Alertmanager can say about an alert.
const (
	LiveActive     LiveState = "active"
	LiveSuppressed LiveState = "suppressed" // silenced or inhibited by a person or a rule
	LiveAbsent     LiveState = "absent"
)

// Verdict is the outcome of a guard.
type Verdict struct {
	Guard  string
	Reason string // a sentence for a person
	Final  bool   // it will not change by waiting
	Drop   bool   // the reason for the repair is gone: nobody needs to be told
}

// OK reports whether nothing refused.
func (v Verdict) OK() bool { return v.Guard == "" }

// Guard is one named reason not to act.
type Guard struct {
	Name  string
	Check func(Facts) Verdict
}

// Pause is the name of the kill switch among the guards.
const Pause = "pause"

// Chain returns the guards in the order in which they are asked.
func Chain() []Guard {
	return []Guard{
		{Pause, pause},
		{"mode", mode},
		{"freshness", freshness},
		{"unless", unless},
		{"target", target},
		{"lock", lock},
		{"cooldown", cooldown},
		{"attempts", attempts},
		{"live", live},
	}
}

// Evaluate asks every guard in order and returns the first refusal, or an OK verdict.
func Evaluate(f Facts) Verdict {
	for _, g := range Chain() {
		if v := g.Check(f); v.Reason != "" {
			v.Guard = g.Name
			return v
		}
	}
	return Verdict{}
}

// Undo asks the guards that also stop the taking back of an effect: the kill switch, and a mode in which nothing acts. The
// others had their say before the effect.
func Undo(f Facts) Verdict {
	switch v := mode(f); {
	case v.Reason != "":
		v.Guard = "mode"
		return v
	case Mode(f) <= receiver.ModeShadow:
		return Verdict{Guard: "mode", Reason: fmt.Sprintf("repairs are in mode %s now", Mode(f)), Final: true}
	}
	v := pause(f)
	if v.Reason != "" {
		v.Guard = Pause
	}
	return v
}

func pass() Verdict                { return Verdict{} }
func wait(reason string) Verdict   { return Verdict{Reason: reason} }
func refuse(reason string) Verdict { return Verdict{Reason: reason, Final: true} }
func drop(reason string) Verdict   { return Verdict{Reason: reason, Final: true, Drop: true} }
