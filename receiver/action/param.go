package action

import (
	"fmt"
	"strconv"
	"strings"
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
	Share                // float64 above 0 and at most 1; "80%" is accepted too
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
	n, err := ParseBytes(p.String(name))
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

// Share returns a Share parameter, or 0.
func (p Params) Share(name string) float64 { f, _ := p[name].(float64); return f }

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

// ParseBytes reads a size such as "500MB" (decimal) or "5GiB" (binary); it is never 0 or negative.
func ParseBytes(s string) (int64, error) {
	n, err := units.ParseStrictBytes(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size such as 500MB or 5GiB", s)
	}
	if n <= 0 {
		return 0, fmt.Errorf("size %q must be positive", s)
	}
	return n, nil
}

// ParseShare reads a part of a whole, "0.8" or "80%", above 0 and at most 1.
func ParseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a share such as 0.8 or 80%%", s)
	}
	if percent {
		f /= 100
	}
	return f, checkShare(f)
}

func checkShare(f float64) error {
	if !(f > 0 && f <= 1) { // also refuses NaN
		return fmt.Errorf("share %v must be above 0 and at most 1", f)
	}
	return nil
}
