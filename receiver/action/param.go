package action

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/alecthomas/units"
	"github.com/prometheus/common/model"
)

// Kind is the type of a parameter.
type Kind int

// The kinds, with the type that Params holds for each.
const (
	String   Kind = iota // string
	Strings              // []string; one string is accepted as a list of one
	Duration             // string in Prometheus' form ("7d"); read with Params.Duration
	Bytes                // string such as "5GB"; read with Params.Bytes
	Int                  // int
	Bool                 // bool
	Map                  // map[string]string
)

// Param describes one parameter of an action.
type Param struct {
	Name, Doc string
	Kind      Kind
	Required  bool
	Default   any    // of the Go type that Kind names
	Pattern   string // each string must match it wholly; empty means any non-empty string
	Template  bool   // strings after the first may use {{ .Labels.x }}, guarded by the parameter "patterns"
}

// Params are the values of one run by name, with defaults and labels filled in. They survive a round trip through JSON.
type Params map[string]any

// String returns a String parameter, or "".
func (p Params) String(name string) string { s, _ := p[name].(string); return s }

// Strings returns a Strings parameter, or nil.
func (p Params) Strings(name string) []string {
	switch v := p[name].(type) {
	case []string:
		return v
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// Duration returns a Duration parameter, or 0.
func (p Params) Duration(name string) time.Duration {
	d, err := model.ParseDuration(p.String(name))
	if err != nil {
		return 0
	}
	return time.Duration(d)
}

// Bytes returns a Bytes parameter, or 0.
func (p Params) Bytes(name string) int64 {
	n, err := parseBytes(p.String(name))
	if err != nil {
		return 0
	}
	return n
}

// Int returns an Int parameter, or 0.
func (p Params) Int(name string) int {
	switch v := p[name].(type) {
	case int:
		return v
	case float64:
		return int(v)
	}
	return 0
}

// Bool returns a Bool parameter, or false.
func (p Params) Bool(name string) bool { b, _ := p[name].(bool); return b }

// Map returns a Map parameter, or nil.
func (p Params) Map(name string) map[string]string {
	switch v := p[name].(type) {
	case map[string]string:
		return v
	case map[string]any:
		out := make(map[string]string, len(v))
		for k, e := range v {
			if s, ok := e.(string); ok {
				out[k] = s
			}
		}
		return out
	}
	return nil
}

func parseBytes(s string) (int64, error) {
	n, err := units.ParseStrictBytes(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size such as 500MB or 5GiB", s)
	}
	if n <= 0 {
		return 0, fmt.Errorf("size %q must be positive", s)
	}
	return n, nil
}

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
		if !p.Template {
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
		if !ok {
			return nil, fmt.Errorf("want a string, got %T", v)
		}
		return s, p.checkString(s)
	case Strings:
		list, err := toStrings(v)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("the list is empty")
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
			return int(n), nil
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
	}
	return nil, fmt.Errorf("unknown kind %d", p.Kind)
}

func (p Param) checkString(s string) error {
	if s == "" {
		return fmt.Errorf("a value is empty")
	}
	switch p.Kind {
	case Duration:
		if _, err := model.ParseDuration(s); err != nil {
			return fmt.Errorf("%q is not a duration such as 30s, 10m or 7d", s)
		}
	case Bytes:
		if _, err := parseBytes(s); err != nil {
			return err
		}
	}
	if p.Pattern == "" {
		return nil
	}
	re, err := regexp.Compile("^(?:" + p.Pattern + ")$")
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

// fill executes the templates in list; with nil labels it only checks that each one uses guarded labels alone.
func fill(list []string, patterns, labels map[string]string) ([]string, error) {
	guards := make(map[string]*regexp.Regexp, len(patterns))
	for name, pattern := range patterns {
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return nil, fmt.Errorf("pattern of label %q: %w", name, err)
		}
		guards[name] = re
	}
	out := slices.Clone(list)
	for i, text := range list {
		names, err := labelsUsed(text)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			continue
		}
		if i == 0 {
			return nil, fmt.Errorf("the first element %q may not be a template", text)
		}
		values := make(map[string]string, len(names))
		for _, name := range names {
			re, ok := guards[name]
			if !ok {
				return nil, fmt.Errorf("label %q has no pattern: add it to `patterns`", name)
			}
			if labels == nil {
				continue
			}
			v := labels[name]
			switch {
			case v == "":
				return nil, fmt.Errorf("label %q is missing or empty", name)
			case strings.HasPrefix(v, "-"):
				return nil, fmt.Errorf("label %q begins with '-'", name)
			case strings.Contains(v, ".."):
				return nil, fmt.Errorf("label %q contains '..'", name)
			case strings.ContainsRune(v, 0):
				return nil, fmt.Errorf("label %q contains a NUL byte", name)
			case !re.MatchString(v):
				return nil, fmt.Errorf("label %q does not match its pattern %s", name, patterns[name])
			}
			values[name] = v
		}
		if labels == nil {
			continue
		}
		out[i] = labelTemplate.ReplaceAllStringFunc(text, func(m string) string {
			return values[labelTemplate.FindStringSubmatch(m)[1]]
		})
	}
	return out, nil
}

var labelTemplate = regexp.MustCompile(`\{\{-?\s*\.Labels\.([a-zA-Z_][a-zA-Z0-9_]*)\s*-?\}\}`)

// labelsUsed returns the labels a template names, and refuses every other template construct.
func labelsUsed(text string) ([]string, error) {
	if _, err := template.New("argument").Parse(text); err != nil {
		return nil, fmt.Errorf("template %q: %w", text, err)
	}
	var names []string
	for _, m := range labelTemplate.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	if rest := labelTemplate.ReplaceAllString(text, ""); strings.Contains(rest, "{{") {
		return nil, fmt.Errorf("template %q: only {{ .Labels.name }} is allowed", text)
	}
	return names, nil
}
