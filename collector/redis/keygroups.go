package redis

import (
	"cmp"
	"slices"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	groupCount = &collector.Family{
		Name: "redis_key_group_count", Type: collector.Gauge, Labels: []string{"db", "key_group"}, Help: "Keys of the group.",
	}
	groupMemory = &collector.Family{
		Name: "redis_key_group_memory_usage_bytes", Type: collector.Gauge, Labels: []string{"db", "key_group"},
		Help: "Memory of the group's keys.",
	}
	groupsDistinct = &collector.Family{
		Name: "redis_number_of_distinct_key_groups", Type: collector.Gauge, Labels: []string{"db"},
		Help: "Groups in the database, those that are summed up as overflow too.",
	}
	groupsTook = &collector.Family{
		Name: "redis_last_key_groups_scrape_duration_milliseconds", Type: collector.Gauge,
		Help: "Milliseconds that the last walk over the keys spent asking the server; 0 if there was none.",
	}
)

func groupFamilies() []*collector.Family {
	return []*collector.Family{groupCount, groupMemory, groupsDistinct, groupsTook}
}

const (
	unclassified  = "unclassified" // keys that no expression matches
	overflowGroup = "overflow"     // groups beyond the limit
)

// group is the keys of one group.
type group struct {
	name          string
	count, memory float64
}

// groupTally counts the groups of one database.
type groupTally struct {
	shown, most int
	groups      map[string]*group
	rest        group // keys of groups that were not kept apart
	full        bool
}

// newGroupTally returns a tally that shows as many groups. It keeps more apart, so that the largest can be told, but
// not without bound: an expression may make a group of every key.
func newGroupTally(shown int) *groupTally {
	return &groupTally{shown: shown, most: max(1000, 10*shown), groups: make(map[string]*group), rest: group{name: overflowGroup}}
}

func (t *groupTally) add(name string, memory float64) {
	g, ok := t.groups[name]
	switch {
	case ok:
	case len(t.groups) >= t.most:
		g, t.full = &t.rest, true
	default:
		g = &group{name: strings.Clone(name)}
		t.groups[g.name] = g
	}
	g.count++
	g.memory += memory
}

// weigh asks for the memory of a batch of keys.
func (p *keyPlan) weigh(r *results, db int, names []string) step {
	one := step{db: db, commands: make([][]any, len(names))}
	for i, name := range names {
		one.commands[i] = []any{"MEMORY", "USAGE", name}
	}
	one.done = func(replies []cursor) ([]step, error) {
		for i, name := range names {
			if failure(replies[i].rest) != nil {
				r.absent("MEMORY USAGE", replies[i])
			}
			memory, _ := replies[i].number() // a key that is gone by now weighs nothing
			r.groups[db].add(p.groupOf(name), memory)
		}
		return nil, nil
	}
	return one
}

// groupOf returns what the first expression that matches has captured, put together.
func (p *keyPlan) groupOf(key string) string {
	for _, re := range p.groups {
		m := re.FindStringSubmatchIndex(key)
		switch {
		case m == nil:
			continue
		case len(m) == 4 && m[2] >= 0:
			return key[m[2]:m[3]]
		}
		var b strings.Builder
		for i := 2; i < len(m); i += 2 {
			if m[i] >= 0 {
				b.WriteString(key[m[i]:m[i+1]])
			}
		}
		return b.String()
	}
	return unclassified
}

// sumUp records the groups with the most memory, and all others as one.
func (t *groupTally) sumUp(r *results, db string) {
	list := make([]*group, 0, len(t.groups))
	for _, g := range t.groups {
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.memory, a.memory), cmp.Compare(b.count, a.count), cmp.Compare(a.name, b.name))
	})
	rest, over := t.rest, t.full
	for i, g := range list {
		if i >= t.shown || g.name == overflowGroup {
			rest.count += g.count
			rest.memory += g.memory
			over = true
			r.leftOut++
			continue
		}
		r.add(partGroups, groupCount, g.count, db, g.name)
		r.add(partGroups, groupMemory, g.memory, db, g.name)
	}
	if over {
		r.add(partGroups, groupCount, rest.count, db, overflowGroup)
		r.add(partGroups, groupMemory, rest.memory, db, overflowGroup)
	}
	r.add(partGroups, groupsDistinct, float64(len(list)), db)
}
