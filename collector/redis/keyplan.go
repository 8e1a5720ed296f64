package redis

import (
	"fmt"
	"regexp"
	"slices"
)

// purpose is what is wanted of a key, as bits.
type purpose int

const (
	wantKey    purpose = 1 << iota // size, memory and value
	wantStream                     // groups and consumers
	wantCount                      // that it is there; for patterns only
	wantGroup                      // which group it belongs to; for whole databases only
)

// lookup is a key whose name is known.
type lookup struct {
	keyName
	want purpose
}

// scan is a walk over a database for the keys that match a pattern, or for all if it is empty.
type scan struct {
	keyName
	want purpose
}

// keyPlan is what the configuration says about keys, made ready.
type keyPlan struct {
	budget KeyBudget
	named  []lookup
	scans  []scan
	groups []*regexp.Regexp
}

// empty reports whether no key is to be looked at.
func (p *keyPlan) empty() bool { return len(p.named) == 0 && len(p.scans) == 0 && len(p.groups) == 0 }

// plan makes the configuration ready.
func (c *KeyConfig) plan() (*keyPlan, error) {
	if err := c.KeyChecks.validate(); err != nil {
		return nil, err
	}
	p := &keyPlan{budget: c.KeyChecks.withDefaults()}
	for _, list := range []struct {
		key   string
		names []string
		want  purpose
		plain bool // patterns are names too
	}{
		{"check_keys", c.CheckKeys, wantKey, false},
		{"check_single_keys", c.CheckSingleKeys, wantKey, true},
		{"count_keys", c.CountKeys, wantCount, false},
		{"check_streams", c.CheckStreams, wantStream, false},
		{"check_single_streams", c.CheckSingleStreams, wantStream, true},
	} {
		for _, text := range list.names {
			name, err := parseKey(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list.key, err)
			}
			if list.want == wantCount || name.pattern() && !list.plain {
				p.addScan(name, list.want)
			} else {
				p.addLookup(name, list.want)
			}
		}
	}
	for _, text := range c.KeyGroups {
		group, err := regexp.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("key_groups: %w", err)
		}
		p.groups = append(p.groups, group)
	}
	slices.SortStableFunc(p.named, func(a, b lookup) int { return a.db - b.db })
	slices.SortStableFunc(p.scans, func(a, b scan) int { return a.db - b.db })
	return p, nil
}

func (p *keyPlan) addLookup(name keyName, want purpose) {
	for i := range p.named {
		if p.named[i].keyName == name {
			p.named[i].want |= want
			return
		}
	}
	p.named = append(p.named, lookup{name, want})
}

func (p *keyPlan) addScan(pattern keyName, want purpose) {
	for i := range p.scans {
		if p.scans[i].keyName == pattern {
			p.scans[i].want |= want
			return
		}
	}
	p.scans = append(p.scans, scan{pattern, want})
}

// leaves reports whether keys of another database are to be looked at.
func (p *keyPlan) leaves(db int) bool {
	return len(p.groups) > 0 ||
		slices.ContainsFunc(p.named, func(l lookup) bool { return l.db != db }) ||
		slices.ContainsFunc(p.scans, func(sc scan) bool { return sc.db != db })
}

// beyondFirst reports whether keys of another database than the first are to be looked at, which a cluster has not.
func (p *keyPlan) beyondFirst() bool {
	return slices.ContainsFunc(p.named, func(l lookup) bool { return l.db != 0 }) ||
		slices.ContainsFunc(p.scans, func(sc scan) bool { return sc.db != 0 })
}
