// Package action defines what a repair can do. One package per kind of thing acted on implements it.
package action

import (
	"context"
	"errors"

	"github.com/chronoops/chronoops/receiver"
)

// Spec describes an action without connecting to anything.
type Spec struct {
	Name       string  // e.g. "systemd.restart"
	Doc        string  // one sentence for a person
	Privilege  string  // what the process must be allowed to do
	Idempotent bool    // running it again after an unknown outcome is safe
	CancelSafe bool    // may be interrupted when the alert resolves
	Params     []Param // in the order shown to people
}

// Action is one kind of repair.
type Action interface {
	Spec() Spec
	// Resource names what the effect would touch ("postgres/main", "unit/nginx.service", "files/var/log/app"), from
	// parameters alone: the key of the lock and of the cooldown. An error means that the target is not allow-listed.
	Resource(p Params) (string, error)
	// Plan reads live state and says exactly what Apply would do; it changes nothing.
	Plan(ctx context.Context, p Params) (receiver.Plan, error)
	// Apply does a subset of what the plan lists. An error that wraps ErrNotApplied promises that nothing was changed.
	Apply(ctx context.Context, plan receiver.Plan) (Result, error)
	// Verify takes one look; nil means repaired, an error that wraps ErrUnknown that it could not tell,
	// any other error that the repair has not (yet) worked. The engine repeats it.
	Verify(ctx context.Context, plan receiver.Plan) error
}

// Inspector is an Action that can tell after a crash whether a started attempt took effect.
type Inspector interface {
	Inspect(ctx context.Context, plan receiver.Plan) (Effect, error)
}

// Roller is an Action whose effect can be taken back.
type Roller interface {
	Rollback(ctx context.Context, plan receiver.Plan) (Result, error)
}

// Repeater is an Action of which some plans are idempotent although its Spec is not.
type Repeater interface {
	Repeatable(plan receiver.Plan) bool
}

// Repeatable tells whether running plan again after an unknown outcome is safe.
func Repeatable(a Action, plan receiver.Plan) bool {
	if r, ok := a.(Repeater); ok {
		return r.Repeatable(plan)
	}
	return a.Spec().Idempotent
}

// Result says what was done, in words for the timeline; bounded and free of secrets.
type Result struct {
	Summary string   `json:"summary"`
	Details []string `json:"details,omitempty"`
}

// Effect is what Inspect found.
type Effect int

// The three answers of Inspect.
const (
	EffectUnknown Effect = iota
	EffectApplied
	EffectNotApplied
)

// ErrNotApplied is wrapped by errors of Apply after which nothing was changed.
var ErrNotApplied = errors.New("nothing was changed")

// ErrUnknown is wrapped by errors of Verify that say nothing about the target's state.
var ErrUnknown = errors.New("could not tell")

// ErrNothingToDo is wrapped by errors of Plan when the target is already as it should be.
var ErrNothingToDo = errors.New("nothing to do")

// Registry finds actions by name; it is a straight list made at start.
type Registry struct {
	names   []string
	actions map[string]Action
}

// NewRegistry lists actions by the name in their Spec; a name given twice panics, as that is a fault of the program.
func NewRegistry(actions ...Action) *Registry {
	r := &Registry{actions: make(map[string]Action, len(actions))}
	for _, a := range actions {
		name := a.Spec().Name
		if _, ok := r.actions[name]; ok {
			panic("action registered twice: " + name)
		}
		r.actions[name] = a
		r.names = append(r.names, name)
	}
	return r
}

// Get returns the action of that name.
func (r *Registry) Get(name string) (Action, bool) {
	a, ok := r.actions[name]
	return a, ok
}

// Specs returns the specs in the order given to NewRegistry.
func (r *Registry) Specs() []Spec {
	specs := make([]Spec, 0, len(r.names))
	for _, n := range r.names {
		specs = append(specs, r.actions[n].Spec())
	}
	return specs
}

// Replace returns a registry in which one action has taken the place of the one with its name.
func (r *Registry) Replace(a Action) *Registry {
	list := make([]Action, 0, len(r.names))
	for _, name := range r.names {
		if name == a.Spec().Name {
			list = append(list, a)
		} else {
			list = append(list, r.actions[name])
		}
	}
	return NewRegistry(list...)
}
