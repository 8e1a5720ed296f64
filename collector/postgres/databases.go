package postgres

import (
	"errors"
	"fmt"
	"path"
	"slices"
)

// DatabasesConfig chooses further databases than the connected one whose tables and indexes are read, by patterns such
// as "*" and "shop_*".
type DatabasesConfig struct {
	Include []string `yaml:"include,omitempty"`
	Exclude []string `yaml:"exclude,omitempty"`
}

func (d DatabasesConfig) has(name string) bool {
	return matches(d.Include, name) && !matches(d.Exclude, name)
}

func (d DatabasesConfig) validate() error {
	if len(d.Exclude) > 0 && len(d.Include) == 0 {
		return errors.New("databases has exclude and no include: add include: ['*']")
	}
	return checkPatterns(slices.Concat(d.Include, d.Exclude))
}

// matches tells whether a pattern fits a name. The patterns are valid.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

func checkPatterns(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return fmt.Errorf("databases has the pattern %q: use a name, in which * stands for any letters", p)
		}
	}
	return nil
}
