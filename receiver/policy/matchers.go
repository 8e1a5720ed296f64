package policy

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/prometheus/alertmanager/matcher/parse"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
)

// Matchers are Alertmanager's label matchers; a label set matches when all of them do.
type Matchers []*labels.Matcher

// UnmarshalYAML reads a list of matchers such as 'alertname="ApiDown"'.
func (m *Matchers) UnmarshalYAML(unmarshal func(any) error) error {
	var texts []string
	if err := unmarshal(&texts); err != nil {
		return err
	}
	parsed, err := ParseMatchers(texts)
	*m = parsed
	return err
}

// ParseMatchers reads matchers in Alertmanager's syntax.
func ParseMatchers(texts []string) (Matchers, error) {
	var out Matchers
	for _, text := range texts {
		matcher, err := parse.Matcher(text)
		if err != nil {
			hint := `write it as 'label="value"', with =, !=, =~ or !~`
			if strings.Contains(text, `\`) {
				hint += `, and a backslash inside the quotes twice, as in 'instance=~"10\\.0\\.0\\.1"'`
			}
			return nil, fmt.Errorf("matcher %s: %w: %s", text, err, hint)
		}
		out = append(out, matcher)
	}
	return out, nil
}

// MarshalYAML writes the matchers as they are configured.
func (m Matchers) MarshalYAML() (any, error) { return m.texts(), nil }

// MarshalJSON writes the matchers as they are configured.
func (m Matchers) MarshalJSON() ([]byte, error) { return json.Marshal(m.texts()) }

func (m Matchers) texts() []string {
	texts := make([]string, 0, len(m))
	for _, matcher := range m {
		texts = append(texts, matcher.String())
	}
	return texts
}

// Matches reports whether every matcher matches; a missing label counts as empty.
func (m Matchers) Matches(set map[string]string) bool {
	for _, matcher := range m {
		if !matcher.Matches(set[matcher.Name]) {
			return false
		}
	}
	return true
}

// matchAll reports whether the matchers leave nothing out: an alert without labels, or one that has but a name, whatever
// it is.
func (m Matchers) matchAll() bool {
	return m.Matches(nil) || m.Matches(map[string]string{model.AlertNameLabel: "a name that no alert has"})
}
