package action

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chronoops/chronoops/receiver"
)

// The bounds of what a plan or a result shows to people.
const (
	maxSteps   = 50  // lines
	maxStepLen = 300 // bytes of a line
)

// NewPlan begins a plan of a for p: its name, resource, parameters and data.
func NewPlan(a Action, p Params, data any) (receiver.Plan, error) {
	resource, err := a.Resource(p)
	if err != nil {
		return receiver.Plan{}, err
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return receiver.Plan{}, fmt.Errorf("encode the plan of %s: %w", a.Spec().Name, err)
	}
	return receiver.Plan{
		Action: a.Spec().Name, Resource: resource, Params: maps.Clone(map[string]any(p)), Data: raw,
	}, nil
}

// OpenPlan checks that a stored plan is of a and that its target is still allow-listed, and decodes its data into data.
// Its errors wrap ErrNotApplied.
func OpenPlan(a Action, plan receiver.Plan, data any) (Params, error) {
	name, p := a.Spec().Name, Params(plan.Params)
	if plan.Action != name {
		return nil, fmt.Errorf("%w: a plan of %q was given to %s", ErrNotApplied, plan.Action, name)
	}
	resource, err := a.Resource(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotApplied, err)
	}
	if resource != plan.Resource {
		return nil, fmt.Errorf("%w: the plan's resource %q is not %q", ErrNotApplied, plan.Resource, resource)
	}
	dec := json.NewDecoder(bytes.NewReader(plan.Data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(data); err != nil {
		return nil, fmt.Errorf("%w: decode the plan of %s: %w", ErrNotApplied, name, err)
	}
	return p, nil
}

// Lines bounds what is shown to people: at most 50 lines of at most 300 bytes, printable, the rest counted.
func Lines(lines []string) []string {
	shown := lines[:min(len(lines), maxSteps)]
	out := make([]string, 0, len(shown)+1)
	for _, l := range shown {
		out = append(out, line(l))
	}
	if more := len(lines) - len(shown); more > 0 {
		out = append(out, fmt.Sprintf("… and %d more", more))
	}
	return out
}

func line(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
	if len(s) <= maxStepLen {
		return s
	}
	cut := maxStepLen - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
