package api

import (
	"fmt"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/policy"
)

// Actions are the kinds of actions, and the repairs that policies configure with them.
type Actions struct {
	Kinds   []Kind        `json:"kinds"`
	Mode    receiver.Mode `json:"mode"` // the ceiling over every policy's mode
	Repairs []Repair      `json:"repairs"`
}

// Kind describes one kind of action.
type Kind struct {
	Name       string  `json:"name"`
	Doc        string  `json:"doc"`
	Privilege  string  `json:"privilege"`
	Idempotent bool    `json:"idempotent"`
	CancelSafe bool    `json:"cancel_safe"`
	Params     []Param `json:"params"`
}

// Param describes one parameter of a kind.
type Param struct {
	Name     string `json:"name"`
	Doc      string `json:"doc"`
	Kind     string `json:"kind"`
	Required bool   `json:"required"`
	Default  any    `json:"default,omitempty"`
	Pattern  string `json:"pattern,omitempty"`
	Template bool   `json:"template,omitempty"` // may use labels of the alert
}

// Repair is one step of a policy.
type Repair struct {
	Policy   string         `json:"policy"`
	Step     int            `json:"step"` // from 0
	Steps    int            `json:"steps"`
	Action   string         `json:"action"`
	Mode     receiver.Mode  `json:"mode"`               // in force: the stricter of the ceiling's and the policy's
	Resource string         `json:"resource,omitempty"` // "" when it depends on the alert's labels
	Note     string         `json:"note,omitempty"`     // why the resource is not known without labels
	With     map[string]any `json:"with,omitempty"`
}

var kindNames = [...]string{"string", "strings", "duration", "bytes", "int", "bool", "map", "share"}

func kindName(k action.Kind) string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return kindNames[k]
}

func (h *Handler) listActions(call) (any, error) {
	set := h.o.Policies()
	out := Actions{Kinds: []Kind{}, Mode: set.Mode, Repairs: h.repairs(set)}
	for _, s := range h.o.Actions.Specs() {
		k := Kind{Name: s.Name, Doc: s.Doc, Privilege: s.Privilege, Idempotent: s.Idempotent, CancelSafe: s.CancelSafe, Params: []Param{}}
		for _, p := range s.Params {
			k.Params = append(k.Params, Param{
				Name: p.Name, Doc: p.Doc, Kind: kindName(p.Kind), Required: p.Required, Default: p.Default, Pattern: p.Pattern, Template: p.Template,
			})
		}
		out.Kinds = append(out.Kinds, k)
	}
	return out, nil
}

func (h *Handler) repairs(set *policy.Set) []Repair {
	list := []Repair{}
	for _, p := range set.Policies {
		for n, s := range p.Repair {
			r := Repair{Policy: p.Name, Step: n, Steps: len(p.Repair), Action: s.Action, Mode: receiver.Stricter(set.Mode, p.Mode), With: s.Shown()}
			if _, resource, err := h.resolve(s, nil); err != nil {
				r.Note = err.Error()
			} else {
				r.Resource = resource
			}
			list = append(list, r)
		}
	}
	return list
}

// resolve fills a step's parameters from labels and names its resource.
func (h *Handler) resolve(s policy.Step, labels map[string]string) (action.Params, string, error) {
	a, ok := h.o.Actions.Get(s.Action)
	if !ok {
		return nil, "", unfit("action", "action %q is not known here", s.Action)
	}
	params, err := a.Spec().Resolve(s.With, labels)
	if err != nil {
		return nil, "", unfit("parameters", "the parameters do not fit: %v", err)
	}
	resource, err := a.Resource(params)
	if err != nil {
		return nil, "", unfit("target", "the target is not allowed: %v", err)
	}
	return params, resource, nil
}
