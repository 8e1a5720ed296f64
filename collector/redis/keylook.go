package redis

import (
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

func perKey(name, help string, labels ...string) *collector.Family {
	return &collector.Family{
		Name: "redis_" + name, Type: collector.Gauge, Help: help, Labels: append([]string{"db", "key"}, labels...),
	}
}

var (
	keySize   = perKey("key_size", "Elements of the key, bytes of a string, distinct elements of a HyperLogLog.")
	keyMemory = perKey("key_memory_usage_bytes", "Memory of the key, estimated from a few of its elements.")
	keyValue  = perKey("key_value", "The key's value, of strings that are a number.")
	keyText   = perKey("key_value_as_string", "Always 1; val is the beginning of the key's value, of strings that are no number. "+
		"Off unless key_checks.values is all.", "val")
	keysCount = perKey("keys_count", "Keys that match the pattern, which is the label key. A key that moves during the walk may be counted twice.")
)

func keyFamilies() []*collector.Family {
	return []*collector.Family{keySize, keyMemory, keyValue, keyText, keysCount}
}

// sizes are the commands that tell how large a key is, by its type; strings have more than one.
var sizes = map[string]string{
	"list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN",
	"array": "ARCOUNT", "vectorset": "VCARD", // Redis 8
}

// mostValue bounds how much of a string is read.
const mostValue = 64

func dbLabel(db int) string { return "db" + strconv.Itoa(db) }

// look asks what a key is, and then what that makes worth asking.
func (p *keyPlan) look(r *results, l lookup) step {
	one := step{db: l.db, cost: 1, commands: [][]any{{"TYPE", l.name}}}
	if l.want&wantKey != 0 {
		one.commands = append(one.commands, []any{"MEMORY", "USAGE", l.name})
	}
	one.done = func(replies []cursor) ([]step, error) {
		if r.absent("TYPE", replies[0]) {
			return nil, nil
		}
		kind := replies[0].text()
		if kind == "none" {
			return nil, nil
		}
		var more []step
		if l.want&wantKey != 0 {
			if bytes, ok := r.number("MEMORY USAGE", replies[1]); ok {
				r.add(partKeys, keyMemory, bytes, dbLabel(l.db), l.name)
			}
			if kind == "string" {
				more = append(more, p.lookString(r, l.keyName))
			} else if command, ok := sizes[kind]; ok {
				more = append(more, r.size(l.keyName, command))
			}
		}
		if l.want&wantStream != 0 && kind == "stream" {
			more = append(more, p.lookStream(r, l.keyName))
		}
		return more, nil
	}
	return one
}

func (r *results) size(k keyName, command string) step {
	return step{db: k.db, commands: [][]any{{command, k.name}}, done: func(replies []cursor) ([]step, error) {
		if n, ok := r.number(command, replies[0]); ok {
			r.add(partKeys, keySize, n, dbLabel(k.db), k.name)
		}
		return nil, nil
	}}
}

// lookString asks for the length and the beginning of a string. That tells a HyperLogLog too: to try PFCOUNT on
// everything would leave an error in the server's statistics for each string.
func (p *keyPlan) lookString(r *results, k keyName) step {
	const hyperLogLog = "HYLL"
	return step{
		db: k.db, commands: [][]any{{"STRLEN", k.name}, {"GETRANGE", k.name, 0, mostValue - 1}},
		done: func(replies []cursor) ([]step, error) {
			length, ok := r.number("STRLEN", replies[0])
			if !ok || r.absent("GETRANGE", replies[1]) {
				return nil, nil
			}
			value := replies[1].text()
			if strings.HasPrefix(value, hyperLogLog) {
				return []step{r.size(k, "PFCOUNT")}, nil
			}
			r.add(partKeys, keySize, length, dbLabel(k.db), k.name)
			v, isNumber := parseValue(value)
			switch {
			case value == "" || p.budget.Values == KeyValuesNone:
			case isNumber && length <= mostValue:
				r.add(partKeys, keyValue, v, dbLabel(k.db), k.name)
			case p.budget.Values == KeyValuesAll:
				r.add(partKeys, keyText, 1, dbLabel(k.db), k.name, strings.ToValidUTF8(value, "\uFFFD"))
			}
			return nil, nil
		},
	}
}

func parseValue(s string) (float64, bool) {
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// absent reports whether a key is not there to be looked at, and keeps the error if that is not the reason.
func (r *results) absent(command string, reply cursor) bool {
	err := failure(reply.rest)
	if err == nil {
		return false
	}
	if !harmless(err.Error()) && r.problem == nil {
		r.problem = refusedError(command, err)
	}
	return true
}

func (r *results) number(command string, reply cursor) (float64, bool) {
	if r.absent(command, reply) {
		return 0, false
	}
	return reply.number()
}

// harmless reports whether an error tells only that a key is gone, is something else by now, or is on another node.
func harmless(text string) bool {
	for _, prefix := range []string{"MOVED ", "ASK ", "WRONGTYPE ", "ERR no such key"} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
