package receiver

import (
	"slices"
	"time"
)

// Episode is one alert from firing to resolved: the unit of repair.
type Episode struct {
	ID          int64             `json:"id"`
	Incident    int64             `json:"incident"`
	Source      string            `json:"source"`
	AlertKey    string            `json:"-"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	URL         string            `json:"url,omitempty"`
	Policy      string            `json:"policy,omitempty"` // name of the policy that matched, or ""
	Priority    Priority          `json:"priority"`
	StartsAt    time.Time         `json:"starts_at"` // the sender's word
	Opened      time.Time         `json:"opened"`    // our clock, as are all times below
	LastSeen    time.Time         `json:"last_seen"`
	Resolved    time.Time         `json:"resolved,omitzero"`
	Repair      RepairState       `json:"repair"`
}

// Name returns the label alertname.
func (e Episode) Name() string { return e.Labels["alertname"] }

// Firing reports whether the episode is open.
func (e Episode) Firing() bool { return e.Resolved.IsZero() }

// RepairState says how the repair of an episode stands, as far as pages care.
type RepairState string

// The repair states of an episode.
const (
	RepairNone     RepairState = "none"     // no policy, mode off, shadow, refused: people are needed
	RepairPending  RepairState = "pending"  // a decision is due within seconds
	RepairRunning  RepairState = "running"  // an effect has begun and is being verified
	RepairVerified RepairState = "verified" // repaired, proven
	RepairFailed   RepairState = "failed"   // tried and not repaired
	RepairUnknown  RepairState = "unknown"  // nobody can tell what happened
)

// Incident is a set of episodes that are paged together.
type Incident struct {
	ID          int64             `json:"id"`
	Source      string            `json:"source"`
	Receiver    string            `json:"receiver"`
	GroupKey    string            `json:"-"`
	GroupLabels map[string]string `json:"group_labels"`
	Title       string            `json:"title"`
	Priority    Priority          `json:"priority"`
	Opened      time.Time         `json:"opened"`
	Updated     time.Time         `json:"updated"`
	Resolved    time.Time         `json:"resolved,omitzero"`
	ResolvedBy  string            `json:"resolved_by,omitempty"`
	Ack         *Ack              `json:"ack,omitempty"`
	Ladder      Ladder            `json:"ladder"` // frozen when the incident opened
	Level       int               `json:"level"`  // the last level paged, from 1; 0 when none has been
	Round       int               `json:"round"`  // how often the last level was repeated
	Held        bool              `json:"held"`   // pages wait for a repair until Due at the latest
	Due         time.Time         `json:"due,omitzero"`
	Lease       Lease             `json:"-"`
}

// Open reports whether the incident is not resolved.
func (i Incident) Open() bool { return i.Resolved.IsZero() }

// Ack is a person's word that they are on it: it covers the episodes and the priority it was shown, until it expires.
type Ack struct {
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	Until    time.Time `json:"until"`
	Episodes []int64   `json:"episodes"`
	Priority Priority  `json:"priority"`
}

// Covers reports whether the acknowledgement still stands for an episode at a time.
func (a *Ack) Covers(episode int64, p Priority, now time.Time) bool {
	if a == nil || !now.Before(a.Until) || p < a.Priority {
		return false
	}
	return slices.Contains(a.Episodes, episode)
}

// Ladder is who is paged, in which order.
type Ladder struct {
	Name   string  `json:"name"`
	Levels []Level `json:"levels"`
}

// Level is one step of a ladder: these roles are paged, and the next level after Timeout.
type Level struct {
	Timeout time.Duration `json:"timeout"`
	Roles   []string      `json:"roles"`
}

// Lease marks a row as being worked on; every write of a worker names the fence that it was given.
type Lease struct {
	Owner string
	Until time.Time
	Fence int64
	Tries int // claims since the last outcome
}

// Event is one entry of an incident's timeline.
type Event struct {
	ID       int64     `json:"id"`
	Incident int64     `json:"incident"`
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"`  // one word: opened, alert, guard, plan, started, applied, verified, page, ack, …
	Actor    string    `json:"actor"` // "chronoops", or the person
	Text     string    `json:"text"`
}
