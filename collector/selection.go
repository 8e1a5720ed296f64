package collector

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Selection says which parts are on. The zero value is each part's default.
type Selection struct {
	noDefaults bool
	explicit   map[string]bool
}

// NewSelection switches parts on or off by name (--collector.X, --no-collector.X); without defaults
// (--collector.disable-defaults) only those switched on are. Names that no part has are an error.
func NewSelection(parts []Part, disableDefaults bool, explicit map[string]bool) (Selection, error) {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.Name
	}
	for name := range explicit {
		if !slices.Contains(names, name) {
			slices.Sort(names)
			return Selection{}, fmt.Errorf("unknown collector %q: have %s", name, strings.Join(slices.Compact(names), ", "))
		}
	}
	return Selection{noDefaults: disableDefaults, explicit: explicit}, nil
}

// Enabled reports whether p is on.
func (s Selection) Enabled(p Part) bool {
	if on, ok := s.explicit[p.Name]; ok {
		return on
	}
	return p.Default && !s.noDefaults
}

// Query narrows one scrape: collect only some of the parts that are on, or all but some. Both together are an error.
type Query struct {
	Collect []string // collect[]
	Exclude []string // exclude[]
}

func (q Query) empty() bool { return len(q.Collect) == 0 && len(q.Exclude) == 0 }

// apply returns the names of enabled that remain; known are all there are.
func (q Query) apply(known, enabled []string) ([]string, error) {
	if len(q.Collect) > 0 && len(q.Exclude) > 0 {
		return nil, errors.New("collect[] and exclude[] cannot be used together: give one of them")
	}
	for _, name := range slices.Concat(q.Collect, q.Exclude) {
		if slices.Contains(enabled, name) {
			continue
		}
		have := strings.Join(enabled, ", ")
		if slices.Contains(known, name) {
			return nil, fmt.Errorf("collector %q is disabled: switch it on with --collector.%s; enabled are %s", name, name, have)
		}
		return nil, fmt.Errorf("unknown collector %q: enabled are %s", name, have)
	}
	if q.empty() {
		return enabled, nil
	}
	var left []string
	for _, name := range enabled {
		if len(q.Collect) > 0 == slices.Contains(q.Collect, name) && !slices.Contains(q.Exclude, name) {
			left = append(left, name)
		}
	}
	return left, nil
}
