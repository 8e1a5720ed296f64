// Package actiontest is the conformance suite that every action passes.
package actiontest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
)

// patience ends a test whose action does not return at its deadline.
const patience = 60 * time.Second

// Bench is an action and one target that it could act on.
type Bench struct {
	Action action.Action
	With   map[string]any          // a step's configuration
	Labels map[string]string       // of the alert
	State  func(testing.TB) string // the target in words: equal words, equal states
}

// Suite describes how to test one action.
type Suite struct {
	// New makes a target that needs the repair which With describes; called for each subtest.
	New func(*testing.T) Bench
	// Hung makes a target that never answers; nil if there can be none. Its plan may fail.
	Hung func(*testing.T) Bench
	// Broken makes a target that cannot be reached; nil if there can be none.
	Broken func(*testing.T) Bench
	// Refused are changes to With that must be refused before anything is planned, each with a part of the message.
	// A nil value removes the parameter.
	Refused map[string]Refusal
	// Secrets are strings that must appear in no plan, result or error.
	Secrets []string
}

// Refusal is a change to a step's configuration and what is said about it.
type Refusal struct {
	Change map[string]any
	Want   string
}

// Run runs the suite.
func (s Suite) Run(t *testing.T) {
	t.Run("spec is complete", s.spec)
	t.Run("plan changes nothing", s.planOnly)
	t.Run("plan survives storage", s.stored)
	t.Run("apply and verify", s.apply)
	t.Run("applying twice is safe or refused", s.twice)
	t.Run("foreign plan is refused", s.foreign)
	t.Run("cancelled context", s.cancelled)
	for name, r := range s.Refused {
		t.Run("refused/"+name, func(t *testing.T) { s.refused(t, r) })
	}
	if s.Hung != nil {
		t.Run("deadline is obeyed", s.hung)
	}
	if s.Broken != nil {
		t.Run("unreachable target", s.broken)
	}
}

var nameForm = regexp.MustCompile(`^[a-z]+(\.[a-z_]+)?$`)

func (s Suite) spec(t *testing.T) {
	b := s.New(t)
	spec := b.Action.Spec()
	if !nameForm.MatchString(spec.Name) {
		t.Errorf("name %q is not of the form kind.verb", spec.Name)
	}
	for what, text := range map[string]string{"Doc": spec.Doc, "Privilege": spec.Privilege} {
		if text == "" || !strings.HasSuffix(text, ".") {
			t.Errorf("%s %q is not a sentence", what, text)
		}
	}
	if d := cmp.Diff(spec, b.Action.Spec()); d != "" {
		t.Errorf("two calls of Spec differ:\n%s", d)
	}
	seen := map[string]bool{}
	for _, p := range spec.Params {
		if seen[p.Name] || p.Name == "" || p.Doc == "" {
			t.Errorf("parameter %q is nameless, undocumented or listed twice", p.Name)
		}
		seen[p.Name] = true
		if p.Required && p.Default != nil {
			t.Errorf("parameter %q is required and has a default", p.Name)
		}
		if p.Default == nil {
			continue
		}
		with := maps.Clone(b.With)
		with[p.Name] = p.Default
		if err := spec.Check(with); err != nil {
			t.Errorf("the default of %q is not valid: %v", p.Name, err)
		}
	}
	p := resolve(t, b)
	first, err := b.Action.Resource(p)
	if err != nil || first == "" || !strings.Contains(first, "/") {
		t.Errorf("resource %q, %v: want kind/name", first, err)
	}
	if again, _ := b.Action.Resource(p); again != first {
		t.Errorf("two calls of Resource differ: %q, %q", first, again)
	}
}

func (s Suite) planOnly(t *testing.T) {
	b := s.New(t)
	before := b.State(t)
	one := s.plan(t, b)
	two := s.plan(t, b)
	if d := cmp.Diff(before, b.State(t)); d != "" {
		t.Errorf("planning changed the target (-before +after):\n%s", d)
	}
	if one.Hash() == "" || one.Hash() != two.Hash() {
		t.Errorf("hashes of two plans for one state differ: %q, %q\n%s\n%s", one.Hash(), two.Hash(), one.Data, two.Data)
	}
	if one.Summary == "" || len(one.Steps) == 0 || one.Made.IsZero() {
		t.Errorf("plan is not complete: summary %q, steps %q, made %v", one.Summary, one.Steps, one.Made)
	}
	if d := cmp.Diff(action.Lines(one.Steps), one.Steps); d != "" && len(one.Steps) != 51 {
		t.Errorf("steps are not bounded:\n%s", d)
	}
	if one.Action != b.Action.Spec().Name {
		t.Errorf("plan is of action %q", one.Action)
	}
}

func (s Suite) stored(t *testing.T) {
	b := s.New(t)
	plan := s.plan(t, b)
	loaded := store(t, plan)
	if loaded.Hash() != plan.Hash() {
		t.Errorf("hash changes in storage: %s, %s", plan.Hash(), loaded.Hash())
	}
	if _, err := b.Action.Apply(t.Context(), loaded); err != nil {
		t.Errorf("apply a stored plan: %v", err)
	}
}

func (s Suite) apply(t *testing.T) {
	b := s.New(t)
	before := b.State(t)
	plan := store(t, s.plan(t, b))
	if i, ok := b.Action.(action.Inspector); ok {
		if e, err := i.Inspect(t.Context(), plan); err != nil || e == action.EffectApplied {
			t.Errorf("inspect before apply: %v, %v", e, err)
		}
	}
	res, err := b.Action.Apply(t.Context(), plan)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	s.noSecret(t, res.Summary, res.Details)
	if res.Summary == "" {
		t.Error("the result says nothing")
	}
	if len(res.Details) > 60 {
		t.Errorf("%d details are not bounded", len(res.Details))
	}
	eventually(t, func(ctx context.Context) error { return b.Action.Verify(ctx, plan) })
	if before == b.State(t) {
		t.Errorf("apply changed nothing: %s", before)
	}
	if i, ok := b.Action.(action.Inspector); ok {
		eventually(t, func(ctx context.Context) error {
			if e, err := i.Inspect(ctx, plan); err != nil || e != action.EffectApplied {
				return errors.Join(errors.New("inspect after apply does not say applied"), err)
			}
			return nil
		})
	}
}

func (s Suite) twice(t *testing.T) {
	b := s.New(t)
	plan := store(t, s.plan(t, b))
	if _, err := b.Action.Apply(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error { return b.Action.Verify(ctx, plan) })
	once := b.State(t)
	_, err := b.Action.Apply(t.Context(), plan)
	if err != nil && !errors.Is(err, action.ErrNotApplied) {
		t.Errorf("second apply: %v: neither done nor refused", err)
	}
	if d := cmp.Diff(once, b.State(t)); d != "" && (err != nil || action.Repeatable(b.Action, plan)) {
		t.Errorf("second apply changed the target (-once +twice), error %v:\n%s", err, d)
	}
}

func (s Suite) foreign(t *testing.T) {
	b := s.New(t)
	good := s.plan(t, b)
	before := b.State(t)
	for name, change := range map[string]func(*receiver.Plan){
		"other action":   func(p *receiver.Plan) { p.Action = "other.act" },
		"other resource": func(p *receiver.Plan) { p.Resource = "other/thing" },
		"no data":        func(p *receiver.Plan) { p.Data = nil },
		"foreign data":   func(p *receiver.Plan) { p.Data = json.RawMessage(`{"foreign":1}`) },
		"no parameters":  func(p *receiver.Plan) { p.Params = nil },
	} {
		plan := store(t, good)
		change(&plan)
		if _, err := b.Action.Apply(t.Context(), plan); !errors.Is(err, action.ErrNotApplied) {
			t.Errorf("%s: apply says %v, want an error that wraps ErrNotApplied", name, err)
		}
		if err := b.Action.Verify(t.Context(), plan); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
	if d := cmp.Diff(before, b.State(t)); d != "" {
		t.Errorf("a foreign plan changed the target:\n%s", d)
	}
}

func (s Suite) cancelled(t *testing.T) {
	b := s.New(t)
	plan := s.plan(t, b)
	before := b.State(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Action.Plan(ctx, resolve(t, b)); !errors.Is(err, context.Canceled) {
		t.Errorf("plan: %v, want context.Canceled", err)
	}
	if _, err := b.Action.Apply(ctx, plan); !errors.Is(err, action.ErrNotApplied) {
		t.Errorf("apply: %v, want an error that wraps ErrNotApplied", err)
	}
	if err := b.Action.Verify(ctx, plan); !errors.Is(err, action.ErrUnknown) {
		t.Errorf("verify: %v, want an error that wraps ErrUnknown", err)
	}
	if d := cmp.Diff(before, b.State(t)); d != "" {
		t.Errorf("a cancelled apply changed the target:\n%s", d)
	}
	if _, err := b.Action.Apply(t.Context(), plan); err != nil {
		t.Errorf("apply after a cancelled one: %v", err)
	}
}

func (s Suite) refused(t *testing.T, r Refusal) {
	b := s.New(t)
	with := maps.Clone(b.With)
	for k, v := range r.Change {
		with[k] = v
		if v == nil {
			delete(with, k)
		}
	}
	p, err := b.Action.Spec().Resolve(with, b.Labels)
	if err == nil {
		_, err = b.Action.Resource(p)
		if err != nil { // what Resource refuses, Plan refuses
			if _, planErr := b.Action.Plan(t.Context(), p); planErr == nil {
				t.Errorf("refused by Resource (%v) and yet planned", err)
			}
		}
	}
	if err == nil {
		_, err = b.Action.Plan(t.Context(), p)
	}
	if err == nil || !strings.Contains(err.Error(), r.Want) {
		t.Fatalf("got %v, want an error with %q", err, r.Want)
	}
	s.noSecret(t, err.Error(), nil)
}

func (s Suite) hung(t *testing.T) {
	good := s.plan(t, s.New(t))
	b := s.Hung(t)
	watch := time.AfterFunc(patience, func() { panic("the action did not return at its deadline") })
	defer watch.Stop()
	short := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(t.Context(), 300*time.Millisecond)
	}

	ctx, cancel := short()
	defer cancel()
	plan, err := b.Action.Plan(ctx, resolve(t, b))
	if err != nil {
		s.noSecret(t, err.Error(), nil)
		plan = good
	}
	ctx, cancel = short()
	defer cancel()
	if _, err := b.Action.Apply(ctx, plan); err == nil {
		t.Error("apply to a hung target succeeded")
	} else {
		s.noSecret(t, err.Error(), nil)
	}
	ctx, cancel = short()
	defer cancel()
	if err := b.Action.Verify(ctx, plan); err != nil && !errors.Is(err, action.ErrUnknown) {
		t.Errorf("verify of a hung target: %v, want an error that wraps ErrUnknown", err)
	}
}

func (s Suite) broken(t *testing.T) {
	good := s.plan(t, s.New(t))
	b := s.Broken(t)
	_, planErr := b.Action.Plan(t.Context(), resolve(t, b))
	_, applyErr := b.Action.Apply(t.Context(), good)
	verifyErr := b.Action.Verify(t.Context(), good)
	if planErr == nil || errors.Is(planErr, action.ErrNothingToDo) {
		t.Errorf("plan: %v, want an error", planErr)
	}
	if !errors.Is(applyErr, action.ErrNotApplied) {
		t.Errorf("apply: %v, want an error that wraps ErrNotApplied", applyErr)
	}
	if !errors.Is(verifyErr, action.ErrUnknown) {
		t.Errorf("verify: %v, want an error that wraps ErrUnknown", verifyErr)
	}
	for _, err := range []error{planErr, applyErr, verifyErr} {
		if err != nil {
			s.noSecret(t, err.Error(), nil)
		}
	}
}

func (s Suite) plan(t *testing.T, b Bench) receiver.Plan {
	t.Helper()
	plan, err := b.Action.Plan(t.Context(), resolve(t, b))
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	all, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	s.noSecret(t, string(all), nil)
	return plan
}

func (s Suite) noSecret(t *testing.T, text string, more []string) {
	t.Helper()
	for _, secret := range s.Secrets {
		for _, line := range append([]string{text}, more...) {
			if strings.Contains(line, secret) {
				t.Errorf("a secret is shown in %q", line)
			}
		}
	}
}

func resolve(t *testing.T, b Bench) action.Params {
	t.Helper()
	p, err := b.Action.Spec().Resolve(b.With, b.Labels)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// store takes the plan through JSON, as the store does between approval and apply.
func store(t *testing.T, plan receiver.Plan) receiver.Plan {
	t.Helper()
	b, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var out receiver.Plan
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually repeats f as the engine does.
func eventually(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("still after %s: %v", patience, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
