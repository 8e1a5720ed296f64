// Package policy says what to do about an alert: its priority, its repair and who is paged. It is pure.
package policy

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver"
)

// Policy is what to do about the alerts that it matches.
type Policy struct {
	Name         string             `yaml:"name" json:"name"`
	Match        Matchers           `yaml:"match" json:"match"`
	Unless       Matchers           `yaml:"unless,omitempty" json:"unless,omitempty"` // no repair while an alert matches all of these
	Priority     *receiver.Priority `yaml:"priority,omitempty" json:"priority,omitempty"`
	Mode         receiver.Mode      `yaml:"mode" json:"mode"`
	Repair       []Step             `yaml:"repair,omitempty" json:"repair,omitempty"`
	Escalate     string             `yaml:"escalate" json:"escalate"`
	MaxAge       model.Duration     `yaml:"max_age" json:"max_age"`               // older alerts are not acted on
	ActWhenAcked bool               `yaml:"act_when_acked" json:"act_when_acked"` // an acknowledgement does not stop new attempts
}

// Step is one action of a policy; the next one is tried when its verification has failed.
type Step struct {
	Action      string         `yaml:"action" json:"action"`
	With        map[string]any `yaml:"with,omitempty" json:"with,omitempty"`
	Cooldown    model.Duration `yaml:"cooldown" json:"cooldown"`         // rest between two runs of the policy on one resource
	MaxAttempts int            `yaml:"max_attempts" json:"max_attempts"` // of this step for one episode
	MaxPerDay   int            `yaml:"max_per_day" json:"max_per_day"`   // of the policy on one resource within 24 h
	Timeout     model.Duration `yaml:"timeout" json:"timeout"`           // of the action
	Rollback    bool           `yaml:"rollback" json:"rollback"`         // take the effect back when verification has failed
	Verify      Verify         `yaml:"verify" json:"verify"`
}

// Shown is With for people. The values of a program's environment are left out, however often it is said that they are no
// place for secrets.
func (s Step) Shown() map[string]any {
	env, ok := s.With["env"].(map[string]any)
	if !ok {
		return s.With
	}
	hidden := map[string]any{}
	for name := range env {
		hidden[name] = "<hidden>"
	}
	shown := maps.Clone(s.With)
	shown["env"] = hidden
	return shown
}

// MarshalYAML writes the step as people may see it.
func (s Step) MarshalYAML() (any, error) {
	type plain Step
	s.With = s.Shown()
	return plain(s), nil
}

// Verify says how a repair is proven, beside the action's own look.
type Verify struct {
	Probe    string         `yaml:"probe,omitempty" json:"probe,omitempty"`   // name of an API target whose first probe must succeed
	PromQL   string         `yaml:"promql,omitempty" json:"promql,omitempty"` // must return at least one series, all of them non-zero
	Within   model.Duration `yaml:"within" json:"within"`                     // not proven by then: failed
	Interval model.Duration `yaml:"interval" json:"interval"`                 // between two looks
	HoldDown model.Duration `yaml:"hold_down" json:"hold_down"`               // how long the alert must stay cleared
}

// UnmarshalYAML sets the defaults and validates.
func (p *Policy) UnmarshalYAML(unmarshal func(any) error) error {
	*p = Policy{Mode: receiver.ModeShadow, Escalate: DefaultLadder, MaxAge: model.Duration(15 * time.Minute)}
	type plain Policy
	if err := unmarshal((*plain)(p)); err != nil {
		return err
	}
	switch {
	case p.Name == "":
		return errors.New("policy has no name: add `name: …`")
	case len(p.Match) == 0:
		return fmt.Errorf("policy %q matches nothing: add `match: ['alertname=\"…\"']`", p.Name)
	case p.Match.matchAll():
		return fmt.Errorf("policy %q matches every alert: at least one matcher must need a label, such as 'alertname=\"…\"'", p.Name)
	case len(p.Unless) > 0 && p.Unless.Matches(nil):
		return fmt.Errorf("policy %q: `unless` matches every alert: no repair would ever run", p.Name)
	case p.MaxAge <= 0:
		return fmt.Errorf("policy %q: max_age must be positive", p.Name)
	}
	return nil
}

// UnmarshalYAML sets the defaults and validates.
func (s *Step) UnmarshalYAML(unmarshal func(any) error) error {
	*s = Step{
		Cooldown:    model.Duration(10 * time.Minute),
		MaxAttempts: 1,
		MaxPerDay:   6,
		Timeout:     model.Duration(2 * time.Minute),
		Verify:      defaultVerify(),
	}
	type plain Step
	if err := unmarshal((*plain)(s)); err != nil {
		return err
	}
	switch {
	case s.Action == "":
		return errors.New("repair step has no action: add `action: …`; `chronoops action list` names them")
	case s.MaxAttempts < 1:
		return fmt.Errorf("repair step %s: max_attempts must be at least 1", s.Action)
	case s.MaxPerDay < 1:
		return fmt.Errorf("repair step %s: max_per_day must be at least 1", s.Action)
	case time.Duration(s.Timeout) < time.Second || time.Duration(s.Timeout) > time.Hour:
		return fmt.Errorf("repair step %s: timeout must be between 1s and 1h", s.Action)
	case s.Cooldown < 0:
		return fmt.Errorf("repair step %s: cooldown must not be negative", s.Action)
	}
	return nil
}

func defaultVerify() Verify {
	return Verify{
		Within:   model.Duration(10 * time.Minute),
		Interval: model.Duration(5 * time.Second),
		HoldDown: model.Duration(time.Minute),
	}
}

// UnmarshalYAML sets the defaults and validates.
func (v *Verify) UnmarshalYAML(unmarshal func(any) error) error {
	*v = defaultVerify()
	type plain Verify
	if err := unmarshal((*plain)(v)); err != nil {
		return err
	}
	switch {
	case v.Within <= 0 || v.Interval <= 0 || v.HoldDown < 0:
		return errors.New("verify: within and interval must be positive, hold_down not negative")
	case v.HoldDown >= v.Within:
		return fmt.Errorf("verify: hold_down %s must be shorter than within %s", v.HoldDown, v.Within)
	}
	return nil
}
