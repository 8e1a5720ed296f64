package redis

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// KeyConfig says which keys of a target are looked at. A key is written as its name, or with its database as db3=name.
// In all but the single ones a name with *, ? or [ is a pattern, and the keys that it stands for are found with SCAN.
type KeyConfig struct {
	CheckKeys          []string `yaml:"check_keys,omitempty"` // size, memory and value
	CheckSingleKeys    []string `yaml:"check_single_keys,omitempty"`
	CountKeys          []string `yaml:"count_keys,omitempty"` // only how many there are
	CheckStreams       []string `yaml:"check_streams,omitempty"`
	CheckSingleStreams []string `yaml:"check_single_streams,omitempty"`
	// KeyGroups are regular expressions: what the first that matches a key has captured is the name of its group.
	KeyGroups []string  `yaml:"key_groups,omitempty"`
	KeyChecks KeyBudget `yaml:"key_checks,omitempty"`
}

// KeyBudget bounds what looking at keys costs and brings. Zero fields mean the defaults.
type KeyBudget struct {
	Interval      *model.Duration `yaml:"interval,omitempty"`        // from the start of one walk to the next; default 30 s
	KeysPerScrape int             `yaml:"keys_per_scrape,omitempty"` // a walk over more goes on in the next scrape; default 50,000
	TimePerScrape model.Duration  `yaml:"time_per_scrape,omitempty"` // likewise; default 300 ms
	Batch         int             `yaml:"batch,omitempty"`           // keys that one SCAN goes over; default 1,000
	MaxKeys       int             `yaml:"max_keys,omitempty"`        // found by patterns; default 1,000
	MaxGroups     int             `yaml:"max_groups,omitempty"`      // in a database, the rest is summed up; default 100
	From          KeysFrom        `yaml:"from,omitempty"`
	Values        KeyValues       `yaml:"values,omitempty"`
	NoConsumers   bool            `yaml:"no_consumers,omitempty"` // leaves out the consumers of a stream's groups
}

// KeysFrom says which servers are asked about keys.
type KeysFrom string

// Of a cluster or a sentinel's servers one of each shard is asked, by default a replica if there is one.
const (
	KeysFromAny     KeysFrom = "any" // the default
	KeysFromReplica KeysFrom = "replica"
	KeysFromPrimary KeysFrom = "primary"
)

// KeyValues says which values of strings are shown.
type KeyValues string

// Values that are no numbers become labels, for everyone to read.
const (
	KeyValuesNumbers KeyValues = "numbers" // the default
	KeyValuesAll     KeyValues = "all"
	KeyValuesNone    KeyValues = "none"
)

// withDefaults fills in what is not set.
func (b KeyBudget) withDefaults() KeyBudget {
	if b.Interval == nil {
		b.Interval = new(model.Duration(30 * time.Second))
	}
	orInt := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	orInt(&b.KeysPerScrape, 50_000)
	orInt(&b.Batch, 1000)
	orInt(&b.MaxKeys, 1000)
	orInt(&b.MaxGroups, 100)
	if b.TimePerScrape == 0 {
		b.TimePerScrape = model.Duration(300 * time.Millisecond)
	}
	if b.From == "" {
		b.From = KeysFromAny
	}
	if b.Values == "" {
		b.Values = KeyValuesNumbers
	}
	return b
}

func (b KeyBudget) validate() error {
	b = b.withDefaults()
	switch {
	case b.KeysPerScrape < 0 || b.Batch < 0 || b.MaxKeys < 0 || b.MaxGroups < 0 || b.TimePerScrape < 0:
		return errors.New("key_checks: numbers must be above 0")
	case b.Batch > 10_000:
		return errors.New("key_checks.batch must be at most 10000: the server does nothing else while it goes over a batch")
	case b.MaxKeys > 100_000 || b.MaxGroups > 10_000:
		return errors.New("key_checks: at most 100000 max_keys and 10000 max_groups: each becomes several series")
	case b.From != KeysFromAny && b.From != KeysFromReplica && b.From != KeysFromPrimary:
		return fmt.Errorf("key_checks.from is %q: use any, replica or primary", b.From)
	case b.Values != KeyValuesNumbers && b.Values != KeyValuesAll && b.Values != KeyValuesNone:
		return fmt.Errorf("key_checks.values is %q: use numbers, all or none", b.Values)
	}
	return nil
}

// keyName is a key, or a pattern for some.
type keyName struct {
	db   int
	name string
}

func (k keyName) pattern() bool { return strings.ContainsAny(k.name, "*?[") }

var withDatabase = regexp.MustCompile(`^(?:db)?([0-9]+)=(.*)$`)

func parseKey(s string) (keyName, error) {
	k := keyName{name: s}
	if m := withDatabase.FindStringSubmatch(s); m != nil {
		var err error
		if k.db, err = strconv.Atoi(m[1]); err != nil {
			return k, fmt.Errorf("%q: there is no such database", s)
		}
		k.name = m[2]
	}
	if k.name == "" {
		return k, fmt.Errorf("%q names no key: write it as name, or as db3=name", s)
	}
	return k, nil
}
