package guard

import (
	"fmt"
	"time"
)

// freshness refuses when the alert is over, old, or in a person's hands.
func freshness(f Facts) Verdict {
	if f.Person {
		return pass()
	}
	if f.Now.IsZero() || f.Episode.ID == 0 || f.Incident.ID == 0 {
		return refuse("the time, the alert or its incident is not known")
	}
	if !f.Episode.Firing() {
		return drop("the alert has resolved")
	}
	if !f.Incident.Open() {
		return drop("the incident was resolved by " + f.Incident.ResolvedBy)
	}
	// Who approves after acknowledging is on it with this very plan.
	if ack := f.Incident.Ack; ack != nil && f.Now.Before(ack.Until) && !f.Policy.ActWhenAcked && !f.Approved {
		return refuse(ack.By + " has acknowledged the incident and is on it")
	}
	// Our own clock on both sides: the sender's may be wrong.
	if age := f.Now.Sub(f.Episode.LastSeen); age > time.Duration(f.Policy.MaxAge) {
		return refuse(fmt.Sprintf("the alert was last heard of %s ago, more than max_age %s", age.Truncate(time.Second), f.Policy.MaxAge))
	}
	return pass()
}
