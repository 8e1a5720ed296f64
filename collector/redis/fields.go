package redis

import (
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

// field is what a line of INFO becomes. Adding a field means adding a line to one of the tables.
type field struct {
	key     string
	family  *collector.Family
	divisor float64 // 0 stands for 1
}

// byKey holds tables by INFO's key.
func byKey(tables ...[]field) map[string]*field {
	fields := make(map[string]*field)
	for _, table := range tables {
		for i := range table {
			fields[table[i].key] = &table[i]
		}
	}
	return fields
}

func tables() [][]field {
	return [][]field{
		serverFields, clientFields, memoryFields, persistenceFields, statFields, replicationFields, cpuFields, clusterFields,
		reservationFields,
	}
}

func gauge(key, name, help string) field {
	return field{key: key, family: &collector.Family{Name: "redis_" + name, Help: help, Type: collector.Gauge}}
}

func counter(key, name, help string) field {
	return field{key: key, family: &collector.Family{Name: "redis_" + name, Help: help, Type: collector.Counter}}
}

func (f field) per(divisor float64) field {
	f.divisor = divisor
	return f
}

// add records the value of a line, if it is one; lv are the values of the family's labels.
func (f *field) add(w *collector.Writer, value string, lv ...string) {
	v, ok := number(value)
	if !ok {
		return
	}
	if f.divisor != 0 {
		v /= f.divisor
	}
	w.Add(f.family, v, lv...)
}

// number reads a value of INFO; the words are those of the fields that end in _status.
func number(s string) (float64, bool) {
	switch s {
	case "ok", "true":
		return 1, true
	case "err", "fail", "false":
		return 0, true
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}
