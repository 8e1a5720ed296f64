// Package postgres frees connections of a PostgreSQL server that has run out of them.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
)

// maxPerRun is the most sessions that one run may end, whatever the parameters say.
const maxPerRun = 1000

// DSN returns a connection string or URL; it is asked again at each connection, so that passwords may change.
type DSN func(ctx context.Context) (string, error)

// Options name the servers on which sessions may be ended.
type Options struct {
	Targets map[string]DSN   // by target name; a direct connection, not through a pooler
	Now     func() time.Time // when a plan was made; nil means time.Now
	Logger  *slog.Logger     // nil discards
}

// TerminateIdle is the action postgres.terminate_idle. It works on a session that Run keeps open, as a server that has no
// connection left accepts no new one.
type TerminateIdle struct {
	sessions map[string]*session
	now      func() time.Time
}

// New returns the action for the given targets; it connects to nothing before Run or the first plan.
func New(o Options) *TerminateIdle {
	t := &TerminateIdle{sessions: map[string]*session{}, now: o.Now}
	if t.now == nil {
		t.now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for name, dsn := range o.Targets {
		t.sessions[name] = newSession(name, dsn, o.Logger)
	}
	return t
}

// Spec implements action.Action.
func (t *TerminateIdle) Spec() action.Spec {
	return action.Spec{
		Name: "postgres.terminate_idle",
		Doc:  "End PostgreSQL sessions that have been idle for long, oldest first; never those of superusers, of replication or of chronoops.",
		Privilege: "A role that is a member of pg_signal_backend and of pg_read_all_stats (or pg_monitor), " +
			"and one connection that stays open.",
		Idempotent: true,
		CancelSafe: true,
		Params: []action.Param{
			{Name: "target", Kind: action.String, Required: true, Doc: "name of the PostgreSQL target"},
			{Name: "older_than", Kind: action.Duration, Required: true, Doc: "least time in the same idle state"},
			{
				Name: "states", Kind: action.Strings, Default: []string{"idle", "idle in transaction (aborted)"},
				Pattern: `idle|idle in transaction|idle in transaction \(aborted\)`,
				Doc:     "states to end; \"idle in transaction\" loses the transaction's work",
			},
			{Name: "databases", Kind: action.Strings, Doc: "only sessions of these databases"},
			{Name: "users", Kind: action.Strings, Doc: "only sessions of these roles"},
			{Name: "application_names", Kind: action.Strings, Doc: "only sessions with one of these application names"},
			{Name: "unfiltered", Kind: action.Bool, Default: false, Doc: "must be true where none of the three filters is given"},
			{Name: "max", Kind: action.Int, Default: 20, Doc: "most sessions to end in one run, at most 1000"},
			{Name: "verify_below", Kind: action.Share, Default: 0.8, Doc: "verified once client connections are below this share of those that ordinary roles may have"},
		},
	}
}

// request is what the parameters ask for; each field is a bind parameter of the statements.
type request struct {
	target    string
	olderThan time.Duration
	states    []string
	databases []string // nil: any
	users     []string
	apps      []string
	max       int
	below     float64
}

func (r request) args() pgx.NamedArgs {
	return pgx.NamedArgs{
		"older_than": r.olderThan.Seconds(), "states": r.states, "databases": r.databases, "users": r.users, "apps": r.apps, "max": r.max,
	}
}

// Resource implements action.Action.
func (t *TerminateIdle) Resource(p action.Params) (string, error) {
	r, err := t.request(p)
	if err != nil {
		return "", err
	}
	return "postgres/" + r.target, nil
}

func (t *TerminateIdle) request(p action.Params) (request, error) {
	r := request{
		target: p.String("target"), olderThan: p.Duration("older_than"), states: p.Strings("states"), databases: p.Strings("databases"),
		users: p.Strings("users"), apps: p.Strings("application_names"), max: p.Int("max"), below: p.Share("verify_below"),
	}
	filtered := r.databases != nil || r.users != nil || r.apps != nil
	switch {
	case t.sessions[r.target] == nil:
		names := strings.Join(slices.Sorted(maps.Keys(t.sessions)), ", ")
		return r, fmt.Errorf("postgres.terminate_idle: target %q is not configured: want one of %s", r.target, cmpOr(names, "(none is)"))
	case r.olderThan <= 0:
		return r, errors.New("postgres.terminate_idle: older_than must be above zero")
	case len(r.states) == 0:
		return r, errors.New("postgres.terminate_idle: states are empty: name at least one")
	case !filtered && !p.Bool("unfiltered"):
		return r, errors.New("postgres.terminate_idle: name databases, users or application_names, or say `unfiltered: true`")
	case filtered && p.Bool("unfiltered"):
		return r, errors.New("postgres.terminate_idle: `unfiltered: true` contradicts the filters: drop one")
	case r.max < 1 || r.max > maxPerRun:
		return r, fmt.Errorf("postgres.terminate_idle: max %d is not between 1 and %d", r.max, maxPerRun)
	case r.below <= 0 || r.below > 1:
		return r, fmt.Errorf("postgres.terminate_idle: verify_below %v is not above 0 and at most 1", r.below)
	}
	return r, nil
}

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// planned is the data of a plan.
type planned struct {
	Sessions []backend `json:"sessions"`
}

// backend identifies a session: a process number alone is used again.
type backend struct {
	PID   int32     `json:"pid"`
	Start time.Time `json:"backend_start"` // UTC, microseconds
}

// Plan implements action.Action: it lists the sessions that qualify now.
func (t *TerminateIdle) Plan(ctx context.Context, p action.Params) (receiver.Plan, error) {
	r, err := t.request(p)
	if err != nil {
		return receiver.Plan{}, err
	}
	var found []idleSession
	err = t.sessions[r.target].use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := mayAct(ctx, conn); err != nil {
			return err
		}
		found, err = listIdle(ctx, conn, r)
		return err
	})
	if err != nil {
		return receiver.Plan{}, fmt.Errorf("postgres.terminate_idle: plan for %s: %w", r.target, err)
	}
	if len(found) == 0 {
		return receiver.Plan{}, fmt.Errorf("postgres.terminate_idle: %w: %s has no session that is %s for %s and matches the filters",
			action.ErrNothingToDo, r.target, strings.Join(r.states, " or "), p.String("older_than"))
	}
	var data planned
	steps := make([]string, 0, len(found))
	for _, s := range found {
		data.Sessions = append(data.Sessions, s.backend)
		steps = append(steps, fmt.Sprintf("terminate pid %d: %s@%s, application %q, %s for %s", s.PID, s.user, s.database, s.app,
			s.state, s.age.Truncate(time.Second)))
	}
	plan, err := action.NewPlan(t, p, data)
	if err != nil {
		return receiver.Plan{}, err
	}
	plan.Made = t.now()
	plan.Limits = map[string]string{"sessions": strconv.Itoa(r.max)}
	plan.Steps = action.Lines(steps)
	plan.Summary = fmt.Sprintf("terminate %d of %d sessions of %s that are %s for %s", len(found), found[0].matching, r.target,
		strings.Join(r.states, " or "), p.String("older_than"))
	return plan, nil
}

// Apply implements action.Action. Whether a planned session still qualifies is asked in the statement that ends it.
func (t *TerminateIdle) Apply(ctx context.Context, plan receiver.Plan) (action.Result, error) {
	var data planned
	p, err := action.OpenPlan(t, plan, &data)
	if err != nil {
		return action.Result{}, err
	}
	r, err := t.request(p)
	if err != nil {
		return action.Result{}, fmt.Errorf("%w: %w", action.ErrNotApplied, err)
	}
	var done terminated
	began := false
	err = t.sessions[r.target].use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := mayAct(ctx, conn); err != nil {
			return err
		}
		began = true
		if done, err = terminate(ctx, conn, r, data.Sessions); err == nil {
			done.ending = awaitEnd(ctx, conn, done.sessions)
		}
		return err
	})
	n := len(data.Sessions)
	switch {
	case err != nil && (!began || unsent(err)):
		return action.Result{}, fmt.Errorf("postgres.terminate_idle: %w: %w", action.ErrNotApplied, err)
	case err != nil:
		return action.Result{}, fmt.Errorf("postgres.terminate_idle: %w how many of %d sessions were terminated: %w", action.ErrUnknown, n, err)
	case len(done.sessions) == 0:
		return action.Result{}, fmt.Errorf("postgres.terminate_idle: %w: none of the %d planned sessions is still there and idle", action.ErrNotApplied, n)
	}
	details := make([]string, 0, len(done.sessions))
	for _, s := range done.sessions {
		details = append(details, fmt.Sprintf("terminated pid %d", s.PID))
	}
	res := action.Result{
		Summary: fmt.Sprintf("terminated %d of %d planned sessions of %s", len(done.sessions), n, r.target), Details: action.Lines(details),
	}
	if done.gone > 0 {
		res.Summary += fmt.Sprintf("; %d ended by themselves", done.gone)
	}
	if done.ending > 0 {
		res.Summary += fmt.Sprintf("; %d have not ended yet", done.ending)
	}
	return res, nil
}

// Verify implements action.Action: client connections must be below the share of those that ordinary roles may have.
func (t *TerminateIdle) Verify(ctx context.Context, plan receiver.Plan) error {
	p, err := action.OpenPlan(t, plan, &planned{})
	if err != nil {
		return fmt.Errorf("%w: %w", action.ErrUnknown, err)
	}
	r, err := t.request(p)
	if err != nil {
		return fmt.Errorf("%w: %w", action.ErrUnknown, err)
	}
	var used, limit int
	err = t.sessions[r.target].use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		used, limit, err = connections(ctx, conn)
		return err
	})
	if err != nil {
		return fmt.Errorf("postgres.terminate_idle: %w: %w", action.ErrUnknown, err)
	}
	if float64(used) >= r.below*float64(limit) {
		return fmt.Errorf("postgres.terminate_idle: %s has %d of %d connections in use, want less than %.0f%%", r.target, used, limit, r.below*100)
	}
	return nil
}

// Inspect implements action.Inspector: it looks which of the planned sessions are still there.
func (t *TerminateIdle) Inspect(ctx context.Context, plan receiver.Plan) (action.Effect, error) {
	var data planned
	p, err := action.OpenPlan(t, plan, &data)
	if err != nil {
		return action.EffectUnknown, err
	}
	var there int
	err = t.sessions[p.String("target")].use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		there, err = countThere(ctx, conn, data.Sessions)
		return err
	})
	switch {
	case err != nil:
		return action.EffectUnknown, fmt.Errorf("postgres.terminate_idle: %w", err)
	case there == 0:
		return action.EffectApplied, nil
	case there == len(data.Sessions):
		return action.EffectNotApplied, nil
	}
	return action.EffectUnknown, nil
}
