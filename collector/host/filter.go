package host

import (
	"errors"
	"fmt"
	"regexp"
)

// Filter selects names by regular expressions, which are not anchored. An empty one does nothing.
type Filter struct{ Include, Exclude string }

// skip returns what tells the names to leave out: those that Include does not match, and those that Exclude does.
func (f Filter) skip() (func(name string) bool, error) {
	include, err := compile(f.Include)
	if err != nil {
		return nil, fmt.Errorf("what to include: %w", err)
	}
	exclude, err := compile(f.Exclude)
	if err != nil {
		return nil, fmt.Errorf("what to exclude: %w", err)
	}
	return func(name string) bool {
		return include != nil && !include.MatchString(name) || exclude != nil && exclude.MatchString(name)
	}, nil
}

// only is skip for a filter that allows one of the two.
func (f Filter) only() (func(name string) bool, error) {
	if f.Include != "" && f.Exclude != "" {
		return nil, errors.New("names can be included or excluded, not both")
	}
	return f.skip()
}

func compile(expr string) (*regexp.Regexp, error) {
	if expr == "" {
		return nil, nil
	}
	return regexp.Compile(expr)
}
