package action

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// Check validates a step's `with:` without labels: names, kinds, patterns and template syntax.
func (s Spec) Check(with map[string]any) error {
	_, err := s.resolve(with, nil)
	return err
}

// Resolve fills templates from labels and returns the parameters of one run. A label that is missing, empty, begins
// with "-", contains ".." or does not match its pattern is refused.
func (s Spec) Resolve(with map[string]any, labels map[string]string) (Params, error) {
	if labels == nil {
		labels = map[string]string{}
	}
	return s.resolve(with, labels)
}

// Static returns the parameters with defaults filled in and templates left as they are: what Action.Resource needs to
// judge a configured step before there is any label.
func (s Spec) Static(with map[string]any) (Params, error) { return s.resolve(with, nil) }

// resolve checks only, and leaves templates alone, when labels is nil.
func (s Spec) resolve(with map[string]any, labels map[string]string) (Params, error) {
	for _, name := range slices.Sorted(maps.Keys(with)) {
		if !slices.ContainsFunc(s.Params, func(p Param) bool { return p.Name == name }) {
			return nil, fmt.Errorf("%s: unknown parameter %q: want one of %s", s.Name, name, strings.Join(s.paramNames(), ", "))
		}
	}
	out := make(Params, len(s.Params))
	for _, p := range s.Params {
		v, ok := with[p.Name]
		if !ok {
			if p.Required {
				return nil, fmt.Errorf("%s: parameter %q is missing: %s", s.Name, p.Name, p.Doc)
			}
			if p.Default != nil {
				out[p.Name] = p.Default
			}
			continue
		}
		v, err := p.convert(v)
		if err != nil {
			return nil, fmt.Errorf("%s: parameter %q: %w", s.Name, p.Name, err)
		}
		out[p.Name] = v
	}
	for _, p := range s.Params {
		if _, ok := out[p.Name]; !p.Template || !ok {
			continue
		}
		filled, err := fill(out.Strings(p.Name), out.Map("patterns"), labels)
		if err != nil {
			return nil, fmt.Errorf("%s: parameter %q: %w", s.Name, p.Name, err)
		}
		out[p.Name] = filled
	}
	return out, nil
}

func (s Spec) paramNames() []string {
	names := make([]string, 0, len(s.Params))
	for _, p := range s.Params {
		names = append(names, p.Name)
	}
	return names
}

func (p Param) convert(v any) (any, error) {
	switch p.Kind {
	case String, Duration, Bytes:
		s, ok := v.(string)
		switch {
		case ok:
			return s, p.checkString(s)
		case p.Kind == Duration:
			return nil, fmt.Errorf("want a duration with its unit, such as 30s, 10m or 7d, got %v", v)
		case p.Kind == Bytes:
			return nil, fmt.Errorf("want a size with its unit, such as 500MB or 5GiB, got %v", v)
		}
		return nil, fmt.Errorf("want a text, got %T: quote it", v)
	case Strings:
		list, err := toStrings(v)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, errors.New("the list is empty")
		}
		for _, s := range list {
			if err := p.checkString(s); err != nil {
				return nil, err
			}
		}
		return list, nil
	case Int:
		switch n := v.(type) {
		case int:
			return n, nil
		case float64: // from JSON
			if n == math.Trunc(n) && math.Abs(n) <= 1<<53 {
				return int(n), nil
			}
			return nil, fmt.Errorf("want a whole number, got %v", n)
		}
		return nil, fmt.Errorf("want a whole number, got %T", v)
	case Bool:
		b, ok := v.(bool)
		if !ok {
			return nil, fmt.Errorf("want true or false, got %T", v)
		}
		return b, nil
	case Map:
		return toMap(v)
	case Share:
		switch f := v.(type) {
		case float64:
			return f, checkShare(f)
		case int:
			return float64(f), checkShare(float64(f))
		case string:
			return ParseShare(f)
		}
		return nil, fmt.Errorf("want a share such as 0.8 or 80%%, got %T", v)
	}
	return nil, fmt.Errorf("unknown kind %d", p.Kind)
}

func (p Param) checkString(s string) error {
	if s == "" {
		return errors.New("a value is empty")
	}
	if strings.ContainsRune(s, 0) {
		return fmt.Errorf("%q contains a NUL byte", s)
	}
	if !p.Template && strings.Contains(s, "{{") {
		return fmt.Errorf("%q: templates are not allowed here", s)
	}
	switch p.Kind {
	case Duration:
		if _, err := model.ParseDuration(s); err != nil {
			return fmt.Errorf("%q is not a duration such as 30s, 10m or 7d", s)
		}
	case Bytes:
		if _, err := ParseBytes(s); err != nil {
			return err
		}
	default:
	}
	if p.Pattern == "" {
		return nil
	}
	re, err := compileWhole(p.Pattern)
	if err != nil {
		return fmt.Errorf("compile pattern of %s: %w", p.Name, err)
	}
	if !re.MatchString(s) {
		return fmt.Errorf("%q does not match %s", s, p.Pattern)
	}
	return nil
}

func toStrings(v any) ([]string, error) {
	switch list := v.(type) {
	case string:
		return []string{list}, nil
	case []string:
		return slices.Clone(list), nil
	case []any:
		out := make([]string, 0, len(list))
		for _, e := range list {
			s, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("want a list of strings, got an element of %T: quote it", e)
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, fmt.Errorf("want a list of strings, got %T", v)
}

func toMap(v any) (map[string]string, error) {
	out := map[string]string{}
	switch m := v.(type) {
	case map[string]string:
		maps.Copy(out, m)
	case map[string]any:
		for k, e := range m {
			s, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("want strings, %q is %T: quote it", k, e)
			}
			out[k] = s
		}
	default:
		return nil, fmt.Errorf("want a map of strings, got %T", v)
	}
	return out, nil
}
