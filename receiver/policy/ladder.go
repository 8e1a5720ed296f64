package policy

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver"
)

// DefaultLadder is the name of the ladder of alerts that no policy matches, and of policies that name none.
const DefaultLadder = "default"

// Ladders are the configured ladders by name. A plain list of levels is the ladder "default".
type Ladders map[string][]LevelConfig

// LevelConfig is one level as configured. The shape is {level, timeout, contacts}; a timeout without unit is in minutes.
type LevelConfig struct {
	Level    int      `yaml:"level"`
	Timeout  Minutes  `yaml:"timeout"`
	Contacts []string `yaml:"contacts"`
}

// Minutes is a duration that is written as a number of minutes or as a duration with units.
type Minutes time.Duration

// UnmarshalYAML reads 15, "15m" or "90s".
func (m *Minutes) UnmarshalYAML(unmarshal func(any) error) error {
	var n int
	if err := unmarshal(&n); err == nil {
		if n > int(math.MaxInt64/time.Minute) {
			return fmt.Errorf("timeout %d: that many minutes cannot be counted", n)
		}
		*m = Minutes(time.Duration(n) * time.Minute)
		return nil
	}
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	d, err := model.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("timeout %q: write minutes as a number, or a duration such as 15m", text)
	}
	*m = Minutes(d)
	return nil
}

// MarshalYAML writes a duration with units.
func (m Minutes) MarshalYAML() (any, error) { return model.Duration(m).String(), nil }

// UnmarshalYAML reads a list of levels or a map of named lists, and validates.
func (l *Ladders) UnmarshalYAML(unmarshal func(any) error) error {
	var shape any
	if err := unmarshal(&shape); err != nil {
		return err
	}
	*l = Ladders{}
	if _, ok := shape.([]any); ok {
		var levels []LevelConfig
		if err := unmarshal(&levels); err != nil {
			return err
		}
		(*l)[DefaultLadder] = levels
	} else if err := unmarshal((*map[string][]LevelConfig)(l)); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(*l)) {
		if err := checkLevels((*l)[name]); err != nil {
			return fmt.Errorf("escalation %s: %w", name, err)
		}
	}
	return nil
}

func checkLevels(levels []LevelConfig) error {
	if len(levels) == 0 {
		return errors.New("it has no level")
	}
	for i, level := range levels {
		switch {
		case level.Level != i+1:
			return fmt.Errorf("level %d stands where level %d is expected: number the levels 1, 2, 3 …", level.Level, i+1)
		case level.Timeout <= 0:
			return fmt.Errorf("level %d: timeout must be positive", level.Level)
		case len(level.Contacts) == 0:
			return fmt.Errorf("level %d: contacts is empty: name at least one role", level.Level)
		}
	}
	return nil
}

// Roles returns every role that a ladder pages, once each.
func (l Ladders) Roles() []string {
	var roles []string
	for _, levels := range l {
		for _, level := range levels {
			roles = append(roles, level.Contacts...)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

func (l Ladders) freeze(name string) receiver.Ladder {
	out := receiver.Ladder{Name: name}
	for _, level := range l[name] {
		out.Levels = append(out.Levels, receiver.Level{Timeout: time.Duration(level.Timeout), Roles: slices.Clone(level.Contacts)})
	}
	return out
}
