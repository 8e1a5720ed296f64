package incident

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/policy"
)

// Outcome says what an alert of a message changed.
type Outcome string

// The outcomes; only opened and resolved change what people are told.
const (
	Opened  Outcome = "opened"  // a new episode
	Seen    Outcome = "seen"    // the episode was open already
	Closed  Outcome = "closed"  // the episode resolved
	Stale   Outcome = "stale"   // a resolved message of an earlier episode
	Unknown Outcome = "unknown" // resolved, but no episode is open
	Ignored Outcome = "ignored" // Watchdog, or a severity that opens no incident
)

// Fire records that an alert of a group fires: it opens an episode, and opens, joins or reopens its incident.
func Fire(tx Tx, set *policy.Set, g receiver.Group, a receiver.Alert) (Outcome, error) {
	e, open, err := tx.OpenEpisode(a.Source, a.Key)
	if err != nil {
		return "", err
	}
	if open {
		e.LastSeen, e.Annotations, e.URL = tx.Now(), a.Annotations, a.URL
		if a.StartsAt.After(e.StartsAt) {
			e.StartsAt = a.StartsAt // its end was missed: when it comes after all, it must not end this firing
		}
		return Seen, tx.SaveEpisode(e)
	}
	d := set.Decide(a.Labels)
	if d.Ignore != "" {
		return Ignored, nil
	}
	i, err := join(tx, set, g, a, d)
	if err != nil {
		return "", err
	}
	e = receiver.Episode{
		Incident: i.ID, Source: a.Source, AlertKey: a.Key, Labels: a.Labels, Annotations: a.Annotations, URL: a.URL,
		Priority: d.Priority, StartsAt: a.StartsAt, Opened: tx.Now(), LastSeen: tx.Now(), Repair: receiver.RepairNone,
	}
	mode := receiver.ModeOff
	if d.Policy != nil {
		e.Policy = d.Policy.Name
		mode = receiver.Stricter(set.Mode, d.Policy.Mode)
	}
	repairs := d.Policy != nil && len(d.Policy.Repair) > 0 && mode > receiver.ModeOff
	if repairs && mode == receiver.ModeAuto {
		e.Repair = receiver.RepairPending
	}
	if e.ID, err = tx.InsertEpisode(e); err != nil {
		return "", err
	}
	if err := note(tx, i.ID, "alert", "firing: "+Describe(a.Labels)); err != nil {
		return "", err
	}
	if repairs {
		_, err = tx.InsertAttempt(receiver.Attempt{
			Incident: i.ID, Episode: e.ID, Policy: d.Policy.Name, Priority: d.Priority, Action: d.Policy.Repair[0].Action, Mode: mode,
			State: receiver.AttemptWaiting, Created: tx.Now(), Due: tx.Now(),
		})
	}
	return Opened, err
}

// join finds or opens the incident of a group. Alerts of one group that escalate by different ladders are different
// incidents, so that no ladder's people are left out.
func join(tx Tx, set *policy.Set, g receiver.Group, a receiver.Alert, d policy.Decision) (receiver.Incident, error) {
	key := g.Key() + "/" + strconv.Quote(d.Ladder.Name)
	now := tx.Now()
	i, found, err := tx.GroupIncident(g.Source, key, now.Add(-set.ReopenWithin))
	if err != nil {
		return i, err
	}
	if !found {
		i = receiver.Incident{
			Source: g.Source, Receiver: g.Receiver, GroupKey: key, GroupLabels: g.Labels, Title: title(g, a), Priority: d.Priority,
			Opened: now, Updated: now, Ladder: d.Ladder, Due: now,
		}
		if i.ID, err = tx.InsertIncident(i); err != nil {
			return i, err
		}
		return i, note(tx, i.ID, "opened", fmt.Sprintf("incident %d opened, priority %s", i.ID, i.Priority))
	}
	var why string
	switch {
	case !i.Open():
		why = fmt.Sprintf("reopened: it fired again within %s", set.ReopenWithin)
		i.Resolved, i.ResolvedBy, i.Ack, i.Level, i.Round, i.Held = time.Time{}, "", nil, 0, 0, false
		i.Priority = d.Priority
	case d.Priority < i.Priority:
		why = fmt.Sprintf("priority raised from %s to %s", i.Priority, d.Priority)
		i.Priority, i.Ack, i.Level, i.Round, i.Held = d.Priority, nil, 0, 0, false
	case i.Ack != nil:
		why = "a new alert that the acknowledgement does not cover"
	default:
		// Held pages must not wait longer for a repair that does not concern this alert.
		if i.Held {
			i.Due = now
			return i, tx.SaveIncident(i)
		}
		return i, nil
	}
	i.Due = now
	if err := tx.SaveIncident(i); err != nil {
		return i, err
	}
	return i, note(tx, i.ID, "alert", why)
}

func title(g receiver.Group, a receiver.Alert) string {
	labels := maps.Clone(g.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	if labels["alertname"] == "" {
		labels["alertname"] = a.Name()
	}
	return Describe(labels)
}

// Describe writes a label set for a person: the alert's name, then the other labels in order.
func Describe(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name != "alertname" {
			parts = append(parts, name+"="+strconv.Quote(labels[name]))
		}
	}
	name := labels["alertname"]
	if len(parts) == 0 {
		return name
	}
	return strings.TrimSpace(name + " {" + strings.Join(parts, ", ") + "}")
}
