package redis

import (
	"strings"

	"github.com/chronoops/chronoops/collector"
)

func perStream(name, help string, labels ...string) *collector.Family {
	return &collector.Family{
		Name: "redis_stream_" + name, Type: collector.Gauge, Help: help, Labels: append([]string{"db", "stream"}, labels...),
	}
}

const idHelp = "The id's time in milliseconds; 0 if there is none."

// streamField is a line of XINFO. An id is recorded as the time in front of its dash.
type streamField struct {
	key     string
	family  *collector.Family
	divisor float64
}

// streamFields are the reply of XINFO STREAM.
var streamFields = []streamField{
	{"length", perStream("length", "Entries in the stream."), 1},
	{"radix-tree-keys", perStream("radix_tree_keys", "Keys of the stream's radix tree."), 1},
	{"radix-tree-nodes", perStream("radix_tree_nodes", "Nodes of the stream's radix tree."), 1},
	{"last-generated-id", perStream("last_generated_id", "Last id given to an entry. "+idHelp), 1},
	{"groups", perStream("groups", "Consumer groups of the stream."), 1},
	{"max-deleted-entry-id", perStream("max_deleted_entry_id", "Highest id of a deleted entry. "+idHelp), 1},
	{"entries-added", &collector.Family{
		Name: "redis_stream_entries_added_total", Type: collector.Counter, Labels: []string{"db", "stream"},
		Help: "Entries ever added to the stream.",
	}, 1},
	{"first-entry", perStream("first_entry_id", "Id of the first entry. "+idHelp), 1},
	{"last-entry", perStream("last_entry_id", "Id of the last entry. "+idHelp), 1},
}

// groupFields are the elements of XINFO GROUPS.
var groupFields = []streamField{
	{"consumers", perStream("group_consumers", "Consumers of the group.", "group"), 1},
	{"pending", perStream("group_messages_pending", "Entries delivered and not acknowledged.", "group"), 1},
	{"last-delivered-id", perStream("group_last_delivered_id", "Id of the entry delivered last. "+idHelp, "group"), 1},
	{"entries-read", perStream("group_entries_read", "Entries that the group has read; absent if the server cannot tell.", "group"), 1},
	{"lag", perStream("group_lag", "Entries still to be delivered; absent if the server cannot tell.", "group"), 1},
}

// consumerFields are the elements of XINFO CONSUMERS.
var consumerFields = []streamField{
	{"pending", perStream("group_consumer_messages_pending", "Entries delivered to the consumer and not acknowledged.", "group", "consumer"), 1},
	{"idle", perStream("group_consumer_idle_seconds", "Time since the consumer was last seen.", "group", "consumer"), 1000},
}

func streamFamilies() (families []*collector.Family) {
	for _, table := range [][]streamField{streamFields, groupFields, consumerFields} {
		for _, f := range table {
			families = append(families, f.family)
		}
	}
	return families
}

// Clients make up the names of groups and consumers, some a new one with each start.
const (
	mostStreamGroups = 100 // of a stream
	mostConsumers    = 100 // of a group, the first by name
)

// lookStream asks about a stream, its groups and then their consumers. The entries themselves go nowhere.
func (p *keyPlan) lookStream(r *results, k keyName) step {
	return step{
		db: k.db, commands: [][]any{{"XINFO", "STREAM", k.name}, {"XINFO", "GROUPS", k.name}},
		done: func(replies []cursor) (more []step, err error) {
			if r.absent("XINFO STREAM", replies[0]) {
				return nil, nil
			}
			r.stream(streamFields, replies[0], dbLabel(k.db), k.name)
			if r.absent("XINFO GROUPS", replies[1]) {
				return nil, nil
			}
			n := 0
			replies[1].elements(func(one cursor) {
				if n++; n > mostStreamGroups {
					r.leftOut++
					return
				}
				group := nameOf(one)
				r.stream(groupFields, one, dbLabel(k.db), k.name, group)
				if !p.budget.NoConsumers {
					more = append(more, r.lookConsumers(k, group))
				}
			})
			return more, nil
		},
	}
}

func (r *results) lookConsumers(k keyName, group string) step {
	return step{
		db: k.db, commands: [][]any{{"XINFO", "CONSUMERS", k.name, group}},
		done: func(replies []cursor) ([]step, error) {
			if r.absent("XINFO CONSUMERS", replies[0]) {
				return nil, nil
			}
			n := 0
			replies[0].elements(func(one cursor) {
				if n++; n > mostConsumers {
					r.leftOut++
					return
				}
				r.stream(consumerFields, one, dbLabel(k.db), k.name, group, nameOf(one))
			})
			return nil, nil
		},
	}
}

// nameOf returns the value of "name" in an array of names and values.
func nameOf(c cursor) (name string) {
	c.pairs(func(key string, value cursor) {
		if key == "name" {
			name = strings.Clone(value.text())
		}
	})
	return name
}

// stream records the fields of an array of names and values.
func (r *results) stream(table []streamField, reply cursor, labels ...string) {
	reply.pairs(func(key string, value cursor) {
		for i := range table {
			if f := &table[i]; f.key == key {
				if v, ok := streamValue(key, value); ok {
					r.add(partStreams, f.family, v/f.divisor, labels...)
				}
			}
		}
	})
}

// streamValue reads a number, an id or an entry, which begins with its id.
func streamValue(key string, value cursor) (float64, bool) {
	text := ""
	if strings.HasSuffix(key, "-entry") {
		value.elements(func(c cursor) {
			if text == "" {
				text = c.text()
			}
		})
		if text == "" {
			return 0, true // an empty stream
		}
	} else {
		text = value.text()
	}
	time, _, _ := strings.Cut(text, "-")
	return parseValue(time)
}
