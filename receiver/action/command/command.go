// Package command runs programs that the configuration names, without a shell.
package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
)

const (
	defaultTimeout = time.Minute     // where neither the step nor the caller sets one
	defaultGrace   = 5 * time.Second // between SIGTERM and SIGKILL
)

// Command is one configured step: the only kind of thing that is ever run.
type Command struct {
	Argv       []string // elements after the first may be templates
	VerifyArgv []string
	Patterns   map[string]string // by label
	Env        map[string]string
}

// FromParams returns the command that a step's static parameters describe.
func FromParams(p action.Params) Command {
	return Command{Argv: p.Strings("argv"), VerifyArgv: p.Strings("verify_argv"), Patterns: p.Map("patterns"), Env: p.Map("env")}
}

// Options say what may be run.
type Options struct {
	Commands []Command        // the allow-list: what configured steps name
	Grace    time.Duration    // between SIGTERM and SIGKILL; 0 means 5 s
	Now      func() time.Time // nil means time.Now
}

// Run is the action command.
type Run struct {
	allowed []Command
	grace   time.Duration
	now     func() time.Time
}

// New returns the action for the given commands.
func New(o Options) *Run {
	r := &Run{allowed: o.Commands, grace: o.Grace, now: o.Now}
	if r.grace <= 0 {
		r.grace = defaultGrace
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r
}

// Spec implements action.Action.
func (r *Run) Spec() action.Spec {
	return action.Spec{
		Name: "command",
		Doc: "Run a program in a session of its own, without a shell; what it leaves running in its process group is " +
			"ended, so what should live on belongs to systemd or into a session of its own (setsid).",
		Privilege: "Permission to execute the program, which must belong to root or to the user of chronoops and be writable by nobody else.",
		Params: []action.Param{
			{Name: "argv", Kind: action.Strings, Required: true, Template: true, Doc: "absolute path of the program, then its arguments, which may use {{ .Labels.x }}"},
			{Name: "patterns", Kind: action.Map, Doc: "regular expression for each label that is used; it must match the whole value"},
			{Name: "env", Kind: action.Map, Doc: "environment besides PATH and LANG; shown with the plan, so no place for secrets"},
			{Name: "timeout", Kind: action.Duration, Doc: "longest run; the step's own limit if not given, else 1m"},
			{Name: "resource", Kind: action.String, Pattern: `[a-z]+/[a-zA-Z0-9_.:@/-]+`, Doc: "what the program acts on, such as unit/web.service; command/PATH if not given"},
			{Name: "idempotent", Kind: action.Bool, Default: false, Doc: "running it again after an unknown outcome is safe"},
			{Name: "verify_argv", Kind: action.Strings, Template: true, Doc: "program that exits with 0 once the repair has worked, and its arguments"},
		},
	}
}

// Repeatable implements action.Repeater.
func (r *Run) Repeatable(plan receiver.Plan) bool {
	return action.Params(plan.Params).Bool("idempotent")
}

// Resource implements action.Action.
func (r *Run) Resource(p action.Params) (string, error) {
	if err := r.check(p); err != nil {
		return "", err
	}
	if name := p.String("resource"); name != "" {
		return name, nil
	}
	return "command" + p.Strings("argv")[0], nil
}

// check refuses whatever is not one of the configured commands.
func (r *Run) check(p action.Params) error {
	c := FromParams(p)
	if len(c.Argv) == 0 {
		return errors.New("command: argv is empty: name the program to run")
	}
	for _, argv := range [][]string{c.Argv, c.VerifyArgv} {
		if len(argv) > 0 && (!filepath.IsAbs(argv[0]) || filepath.Clean(argv[0]) != argv[0]) {
			return fmt.Errorf("command: %q must be the absolute and plain path of a program", argv[0])
		}
	}
	if err := checkEnv(c.Env); err != nil {
		return err
	}
	i := slices.IndexFunc(r.allowed, func(a Command) bool {
		return sameArgv(a.Argv, a.Patterns, c.Argv) && sameArgv(a.VerifyArgv, a.Patterns, c.VerifyArgv) && maps.Equal(a.Env, c.Env)
	})
	if i < 0 {
		return fmt.Errorf("command: %q with these arguments, environment and verification is not configured: only what a policy names is run", c.Argv[0])
	}
	for _, argv := range [][]string{r.allowed[i].Argv, r.allowed[i].VerifyArgv} {
		if err := checkInterpreter(argv); err != nil {
			return fmt.Errorf("command: %w", err)
		}
	}
	return nil
}

func sameArgv(templates []string, patterns map[string]string, argv []string) bool {
	return slices.EqualFunc(templates, argv, func(t, v string) bool { return action.MatchTemplate(t, patterns, v) == nil })
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func checkEnv(env map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		switch {
		case !envName.MatchString(name):
			return fmt.Errorf("command: env: %q is not the name of a variable", name)
		case name == "PATH" || strings.HasPrefix(name, "LD_"):
			return fmt.Errorf("command: env: %s may not be set", name)
		case strings.ContainsRune(env[name], 0):
			return fmt.Errorf("command: env: %s contains a NUL byte", name)
		}
	}
	return nil
}

// planned is the data of a plan: the program that was looked at.
type planned struct {
	Program program `json:"program"`
}

// Plan implements action.Action.
func (r *Run) Plan(ctx context.Context, p action.Params) (receiver.Plan, error) {
	if err := ctx.Err(); err != nil {
		return receiver.Plan{}, err
	}
	if err := r.check(p); err != nil {
		return receiver.Plan{}, err
	}
	argv, verify := p.Strings("argv"), p.Strings("verify_argv")
	prog, err := inspect(argv)
	if err != nil {
		return receiver.Plan{}, fmt.Errorf("command: %w", err)
	}
	steps := []string{"run " + quote(argv)}
	if len(verify) > 0 {
		if _, err := inspect(verify); err != nil {
			return receiver.Plan{}, fmt.Errorf("command: verify_argv: %w", err)
		}
		steps = append(steps, "then verify with "+quote(verify))
	}
	for _, arg := range slices.Concat(argv, verify) {
		if strings.Contains(arg, "{{") {
			return receiver.Plan{}, fmt.Errorf("command: argument %q has no labels filled in", arg)
		}
	}
	plan, err := action.NewPlan(r, p, planned{Program: prog})
	if err != nil {
		return receiver.Plan{}, err
	}
	plan.Made = r.now()
	plan.Summary = "run " + filepath.Base(argv[0])
	plan.Steps = action.Lines(steps)
	plan.Limits = map[string]string{"output": fmt.Sprintf("%d bytes", maxOutput)}
	if limit := p.String("timeout"); limit != "" {
		plan.Limits["timeout"] = limit
	}
	return plan, nil
}

func quote(argv []string) string {
	quoted := make([]string, len(argv))
	for i, a := range argv {
		quoted[i] = fmt.Sprintf("%q", a)
	}
	return strings.Join(quoted, " ")
}

// Apply implements action.Action; it returns only when the program and its process group are gone.
func (r *Run) Apply(ctx context.Context, plan receiver.Plan) (action.Result, error) {
	var data planned
	p, err := action.OpenPlan(r, plan, &data)
	if err != nil {
		return action.Result{}, err
	}
	argv := p.Strings("argv")
	now, err := inspect(argv)
	if err != nil {
		return action.Result{}, fmt.Errorf("command: %w: %w", action.ErrNotApplied, err)
	}
	if now != data.Program {
		return action.Result{}, fmt.Errorf("command: %w: %s is not the program that was planned: it was changed or replaced", action.ErrNotApplied, argv[0])
	}
	if err := ctx.Err(); err != nil {
		return action.Result{}, fmt.Errorf("command: %w: %w", action.ErrNotApplied, err)
	}
	began := r.now()
	out, err := r.run(ctx, p, argv)
	res := action.Result{
		Summary: fmt.Sprintf("%s ended with success after %s", filepath.Base(argv[0]), r.now().Sub(began).Round(time.Millisecond)),
		Details: out.lines(),
	}
	if err != nil {
		res.Summary = fmt.Sprintf("%s failed: %v", filepath.Base(argv[0]), err)
		return res, fmt.Errorf("command: run %s: %w", argv[0], err)
	}
	return res, nil
}

// Verify implements action.Action: without verify_argv, that the program ended with 0 is all there is to see.
func (r *Run) Verify(ctx context.Context, plan receiver.Plan) error {
	var data planned
	p, err := action.OpenPlan(r, plan, &data)
	if err != nil {
		return fmt.Errorf("%w: %w", action.ErrUnknown, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("command: %w: %w", action.ErrUnknown, err)
	}
	argv := p.Strings("verify_argv")
	if len(argv) == 0 {
		return nil
	}
	if _, err := inspect(argv); err != nil {
		return fmt.Errorf("command: %w: %w", action.ErrUnknown, err)
	}
	out, err := r.run(ctx, p, argv)
	if err == nil {
		return nil
	}
	if errors.As(err, new(*exitError)) {
		return fmt.Errorf("command: %s says that the repair has not worked: %w%s", argv[0], err, out.last())
	}
	return fmt.Errorf("command: %w: run %s: %w", action.ErrUnknown, argv[0], err)
}
