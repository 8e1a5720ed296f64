// Package systemd restarts, starts and stops units over D-Bus.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
)

// Options say which units may be acted on.
type Options struct {
	Units   []string                                // the allow-list: what configured steps name
	Connect func(ctx context.Context) (Conn, error) // nil means the system bus
	Now     func() time.Time                        // when a plan was made; nil means time.Now
}

// Conn is a connection to systemd's manager.
type Conn interface {
	// Properties returns all D-Bus properties of a unit, loaded or not.
	Properties(ctx context.Context, unit string) (map[string]any, error)
	// Job enqueues "restart", "start" or "stop" and waits for its result, such as "done" or "failed". An error that wraps
	// action.ErrNotApplied means that nothing was enqueued.
	Job(ctx context.Context, verb, unit string) (result string, err error)
	Close()
}

// Unit is one of the actions systemd.restart, systemd.start and systemd.stop.
type Unit struct {
	verb    string
	allowed []string
	connect func(ctx context.Context) (Conn, error)
	now     func() time.Time
	uptime  func() time.Duration // CLOCK_MONOTONIC, the clock of systemd's monotonic timestamps
}

// New returns the three actions.
func New(o Options) []action.Action {
	if o.Connect == nil {
		o.Connect = connectBus
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	var actions []action.Action
	for _, verb := range []string{"restart", "start", "stop"} {
		actions = append(actions, &Unit{verb: verb, allowed: o.Units, connect: o.Connect, now: o.Now, uptime: uptime})
	}
	return actions
}

func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // cannot fail for this clock; 0 verifies nothing
	}
	return time.Duration(ts.Nano())
}

func doc(verb string) string {
	switch verb {
	case "restart":
		return "Restart a systemd unit, or start it if it is not running, and wait for the result."
	case "start":
		return "Start a systemd unit that is not running and wait for the result."
	}
	return "Stop a systemd unit and wait for the result."
}

// Spec implements action.Action.
func (u *Unit) Spec() action.Spec {
	s := action.Spec{
		Name: "systemd." + u.verb, Doc: doc(u.verb),
		Privilege:  "A polkit rule that lets the user of chronoops do org.freedesktop.systemd1.manage-units with this unit and verb, or root.",
		Idempotent: true,
		Params: []action.Param{
			{Name: "unit", Kind: action.String, Required: true, Pattern: `[a-zA-Z0-9:_.@-]+\.(service|socket|timer|path)`, Doc: "full name of the unit, such as nginx.service"},
		},
	}
	if u.verb != "stop" {
		s.Params = append(s.Params, action.Param{
			Name: "stable_for", Kind: action.Duration, Default: "10s", Doc: "verified once the unit has been active this long without a break",
		})
	}
	return s
}

// protected units end the machine, its bus or chronoops itself.
var protected = regexp.MustCompile(`^(chronoops(@.*)?\.\w+|dbus(-broker|-org\..*)?\.\w+|polkit\.\w+|systemd-(journald|logind|udevd)(-.*)?\.\w+|` +
	`(systemd-)?(emergency|exit|halt|hibernate|hybrid-sleep|kexec|poweroff|reboot|rescue|shutdown|soft-reboot|suspend|suspend-then-hibernate)\.service)$`)

// Resource implements action.Action.
func (u *Unit) Resource(p action.Params) (string, error) {
	unit := p.String("unit")
	switch {
	case unit == "":
		return "", fmt.Errorf("systemd.%s: no unit: name one such as nginx.service", u.verb)
	case strings.Contains(unit, "@."):
		return "", fmt.Errorf("systemd.%s: %s is a template: name an instance of it", u.verb, unit)
	case protected.MatchString(unit):
		return "", fmt.Errorf("systemd.%s: %s is protected, as chronoops or the machine depends on it", u.verb, unit)
	case !slices.Contains(u.allowed, unit):
		return "", fmt.Errorf("systemd.%s: %s is not configured: only units that a policy names are touched", u.verb, unit)
	case u.verb != "stop" && p.Duration("stable_for") <= 0:
		return "", fmt.Errorf("systemd.%s: stable_for must be above zero", u.verb)
	}
	return "unit/" + unit, nil
}

// planned is the data of a plan. A unit that systemd restarts again and again has no invocation to hold on to: its plan
// must not change with each crash.
type planned struct {
	Unit       string `json:"unit"`
	Invocation string `json:"invocation,omitempty"` // systemd.exec(5), $INVOCATION_ID
}

// Plan implements action.Action.
func (u *Unit) Plan(ctx context.Context, p action.Params) (receiver.Plan, error) {
	unit := p.String("unit")
	if _, err := u.Resource(p); err != nil {
		return receiver.Plan{}, err
	}
	conn, err := u.connect(ctx)
	if err != nil {
		return receiver.Plan{}, fmt.Errorf("systemd.%s: %w", u.verb, err)
	}
	defer conn.Close()
	s, err := look(ctx, conn, unit)
	if err != nil {
		return receiver.Plan{}, fmt.Errorf("systemd.%s: %w", u.verb, err)
	}
	if err := u.check(s); err != nil {
		return receiver.Plan{}, fmt.Errorf("systemd.%s: %w", u.verb, err)
	}
	data := planned{Unit: unit}
	if s.restarts == 0 {
		data.Invocation = s.invocation
	}
	plan, err := action.NewPlan(u, p, data)
	if err != nil {
		return receiver.Plan{}, err
	}
	plan.Made = u.now()
	plan.Summary = fmt.Sprintf("%s %s, which is %s", u.verb, unit, s)
	plan.Steps = action.Lines([]string{u.verb + " " + unit})
	return plan, nil
}

// check refuses units that cannot be acted on or need not.
func (u *Unit) check(s state) error {
	switch {
	case s.load == "not-found":
		return fmt.Errorf("unit %s does not exist", s.unit)
	case s.load != "loaded":
		return fmt.Errorf("unit %s is %s: systemd will not %s it", s.unit, s.load, u.verb)
	case u.verb == "start" && s.active == "active", u.verb == "stop" && s.stopped():
		return fmt.Errorf("%w: %s is %s", action.ErrNothingToDo, s.unit, s)
	case u.verb != "stop" && s.refuseStart, u.verb != "start" && s.refuseStop:
		return fmt.Errorf("unit %s may not be operated by hand: see RefuseManualStart and RefuseManualStop", s.unit)
	}
	return nil
}

// Apply implements action.Action; it returns when the job has ended.
func (u *Unit) Apply(ctx context.Context, plan receiver.Plan) (action.Result, error) {
	var data planned
	p, err := action.OpenPlan(u, plan, &data)
	if err != nil {
		return action.Result{}, err
	}
	unit := p.String("unit")
	if data.Unit != unit {
		return action.Result{}, fmt.Errorf("systemd.%s: %w: the plan is of unit %q", u.verb, action.ErrNotApplied, data.Unit)
	}
	conn, err := u.connect(ctx)
	if err != nil {
		return action.Result{}, fmt.Errorf("systemd.%s: %w: %w", u.verb, action.ErrNotApplied, err)
	}
	defer conn.Close()
	before, err := look(ctx, conn, unit)
	if err == nil {
		err = u.check(before)
	}
	if err == nil && data.replacedBy(before) {
		err = fmt.Errorf("%s was started by someone since the plan was made: it is %s", unit, before)
	}
	if err != nil {
		return action.Result{}, fmt.Errorf("systemd.%s: %w: %w", u.verb, action.ErrNotApplied, err)
	}
	result, err := conn.Job(ctx, u.verb, unit)
	switch {
	case errors.Is(err, action.ErrNotApplied):
		return action.Result{}, fmt.Errorf("systemd.%s: %s: %w", u.verb, unit, err)
	case err != nil:
		return action.Result{}, fmt.Errorf("systemd.%s: %w how the job for %s ended: %w", u.verb, action.ErrUnknown, unit, err)
	case result != "done":
		return action.Result{}, fmt.Errorf("systemd.%s: the job for %s ended with %q: see journalctl --unit %s", u.verb, unit, result, unit)
	}
	res := action.Result{Summary: fmt.Sprintf("%s of %s done", u.verb, unit)}
	if after, err := look(ctx, conn, unit); err == nil {
		res.Details = action.Lines([]string{"was " + before.String(), "is " + after.String()})
	}
	return res, nil
}

// replacedBy tells whether somebody (re)started the unit by hand since; systemd's own restarts are counted by NRestarts.
func (p planned) replacedBy(s state) bool {
	return s.active == "active" && s.restarts == 0 && s.invocation != p.Invocation
}

// Verify implements action.Action.
func (u *Unit) Verify(ctx context.Context, plan receiver.Plan) error {
	s, p, _, err := u.see(ctx, plan)
	switch {
	case err != nil:
		return fmt.Errorf("systemd.%s: %w: %w", u.verb, action.ErrUnknown, err)
	case s.job:
		return fmt.Errorf("systemd.%s: a job for %s is still waiting or running", u.verb, s.unit)
	case u.verb == "stop" && s.stopped(), u.verb != "stop" && s.oneshotDone():
		return nil
	case u.verb == "stop" || s.active != "active":
		return fmt.Errorf("systemd.%s: %s is %s", u.verb, s.unit, s)
	}
	want, been := p.Duration("stable_for"), u.uptime()-s.activeSince
	if been < want {
		return fmt.Errorf("systemd.%s: %s is %s for %s only, want %s", u.verb, s.unit, s, been.Truncate(time.Millisecond), want)
	}
	return nil
}

// Inspect implements action.Inspector.
func (u *Unit) Inspect(ctx context.Context, plan receiver.Plan) (action.Effect, error) {
	s, _, data, err := u.see(ctx, plan)
	if err != nil {
		return action.EffectUnknown, fmt.Errorf("systemd.%s: %w", u.verb, err)
	}
	same := data.Invocation != "" && data.Invocation == s.invocation
	switch {
	case s.job:
		return action.EffectUnknown, nil
	case u.verb == "stop" && s.stopped(), u.verb == "start" && s.active == "active", u.verb == "restart" && data.replacedBy(s):
		return action.EffectApplied, nil
	case u.verb == "stop" && s.active == "active" && same,
		u.verb == "start" && s.stopped() && s.invocation == data.Invocation,
		u.verb == "restart" && same:
		return action.EffectNotApplied, nil
	}
	return action.EffectUnknown, nil
}

// see opens a plan and looks at its unit.
func (u *Unit) see(ctx context.Context, plan receiver.Plan) (s state, p action.Params, data planned, err error) {
	if p, err = action.OpenPlan(u, plan, &data); err != nil {
		return s, p, data, err
	}
	conn, err := u.connect(ctx)
	if err != nil {
		return s, p, data, err
	}
	defer conn.Close()
	s, err = look(ctx, conn, p.String("unit"))
	return s, p, data, err
}
