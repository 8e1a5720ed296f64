// Package engine carries every due row one step further: it repairs, proves, and pages.
//
// Timers are rows. Step does exactly one due item and never sleeps; Run is workers over it. Intent is committed before an
// effect, its outcome after.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/guard"
	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/policy"
)

// Lane separates work that must not wait for each other: a hung repair never delays a page.
type Lane string

// The lanes.
const (
	LaneRepair Lane = "repair"
	LaneUrgent Lane = "urgent" // repairs of P0 only, so that hung repairs of others never delay them
	LanePage   Lane = "page"
)

// Store keeps the rows.
type Store interface {
	Update(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
}

// Tx is what the engine needs inside a transaction.
type Tx interface {
	incident.Tx
	repairRows
	pageRows
}

type repairRows interface {
	Episode(id int64) (receiver.Episode, error)
	FiringEpisodes() ([]receiver.Episode, error)
	Attempt(id int64) (receiver.Attempt, error)
	Attempts(incident int64) ([]receiver.Attempt, error)
	AttemptHistory(policy string, step int, resource string, episode int64) (receiver.AttemptHistory, error)
	ClaimAttempt(owner string, lease time.Duration, p receiver.Priority) (receiver.Attempt, bool, error)
	ExtendAttempt(a receiver.Attempt, until time.Time) error
	Pauses() ([]receiver.Pause, error)
	NextRepair() (time.Time, error)
}

type pageRows interface {
	ClaimIncident(owner string, lease time.Duration, p receiver.Priority) (receiver.Incident, bool, error)
	ClaimPage(owner string, lease time.Duration, p receiver.Priority) (receiver.Page, bool, error)
	SavePage(receiver.Page) error
	Events(incident int64) ([]receiver.Event, error)
	NextPage() (time.Time, error)
	OpenIncidents() ([3]int, error)
}

// Pager reaches people.
type Pager interface {
	Channels(role string) []string // none when nobody of that role can be reached now
	Send(ctx context.Context, channel string, n receiver.Notice) error
}

// Alertmanager answers what it thinks of an alert now.
type Alertmanager interface {
	Lookup(ctx context.Context, source string, labels map[string]string) (guard.LiveState, error)
}

// Prover looks at the target from outside, as a policy's verify says. An error that wraps action.ErrUnknown means that it
// could not tell.
type Prover interface {
	Prove(ctx context.Context, v policy.Verify) error
}

// Actions finds the actions in force by name.
type Actions interface {
	Get(name string) (action.Action, bool)
}

// Options of an Engine.
type Options struct {
	Owner        string // unique per process: instance name and boot id
	Store        Store
	Clock        receiver.Clock
	Policies     func() *policy.Set // the set in force
	Actions      Actions
	Pager        Pager
	Alertmanager Alertmanager
	Prover       Prover
	StopFile     func() (path string, err error) // the file that pauses repairs; "" when it is absent
	Link         func(incident int64) string     // where a person can look at an incident
	Metrics      *Metrics
	Logger       *slog.Logger
}

// The limits of one step.
const (
	lease       = 30 * time.Second // of a claim; an effect adds its own timeout
	lookTimeout = 10 * time.Second // for planning, asking and one look
	sendTimeout = 10 * time.Second // for one page
	maxTries    = 3                // claims without outcome before a row is taken out
	beginWithin = 5 * time.Second  // from the commit of an intent to its effect
)

// Engine steps rows.
type Engine struct {
	o    Options
	wake *bell

	mu       sync.Mutex
	inFlight map[int64]bool // attempts whose effect this process is running
	alive    map[Lane]time.Time
}

// New returns an engine.
func New(o Options) *Engine {
	now := o.Clock.Now()
	return &Engine{o: o, wake: newBell(), inFlight: map[int64]bool{}, alive: map[Lane]time.Time{LaneRepair: now, LanePage: now}}
}

// Wake makes the workers look for due rows now.
func (e *Engine) Wake() { e.wake.ring() }

// Step does one due item of a lane and reports whether there was one.
func (e *Engine) Step(ctx context.Context, lane Lane) (worked bool, err error) {
	switch lane {
	case LaneRepair:
		worked, err = e.stepRepair(ctx, priorities)
	case LaneUrgent:
		worked, err = e.stepRepair(ctx, priorities[:1])
	case LanePage:
		worked, err = e.stepPage(ctx)
	default:
		return false, errors.New("unknown lane " + string(lane))
	}
	if err == nil {
		e.mu.Lock()
		e.alive[lane] = e.o.Clock.Now()
		e.mu.Unlock()
	}
	return worked, err
}

// Healthy reports whether every lane has worked, or found nothing to do, within the last minute or two.
func (e *Engine) Healthy() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, lane := range []Lane{LaneRepair, LanePage} {
		if lane == LaneRepair && len(e.inFlight) > 0 {
			continue // effects may take longer, and have timeouts of their own
		}
		if e.o.Clock.Now().Sub(e.alive[lane]) > 2*time.Minute {
			return errors.New("the " + string(lane) + " lane has not moved for two minutes: see the log")
		}
	}
	return nil
}

var priorities = []receiver.Priority{receiver.P0, receiver.P1, receiver.P2}

const actor = "chronoops"

// note appends to an incident's timeline; attempts that a person asked for have none.
func note(tx Tx, incident int64, kind, text string) error {
	if incident == 0 {
		return nil
	}
	return tx.AddEvent(receiver.Event{Incident: incident, Kind: kind, Actor: actor, Text: text})
}
