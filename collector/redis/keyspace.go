package redis

import (
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	dbKeys = &collector.Family{
		Name: "redis_db_keys", Type: collector.Gauge, Labels: []string{"db"}, Help: "Keys in the database.",
	}
	dbExpiring = &collector.Family{
		Name: "redis_db_keys_expiring", Type: collector.Gauge, Labels: []string{"db"},
		Help: "Keys in the database that have a time to live.",
	}
	dbTTL = &collector.Family{
		Name: "redis_db_avg_ttl_seconds", Type: collector.Gauge, Labels: []string{"db"},
		Help: "Their mean time to live, estimated by the server.",
	}
)

const (
	usualDatabases = 16
	// mostDatabases bounds the series of databases that hold nothing.
	mostDatabases = 256
)

// keyspace records "db0:keys=1,expires=0,avg_ttl=0" and returns the number of the database.
func keyspace(w *collector.Writer, key, value string) (db int, ok bool) {
	n, isDB := strings.CutPrefix(key, "db")
	number10, err := strconv.ParseUint(n, 10, 31)
	if !isDB || err != nil {
		return 0, false
	}
	for p := (pairs{rest: value}); p.next(); {
		v, isNumber := number(p.value)
		if !isNumber {
			continue
		}
		switch p.key {
		case "keys":
			w.Add(dbKeys, v, key)
		case "expires":
			w.Add(dbExpiring, v, key)
		case "avg_ttl":
			w.Add(dbTTL, v/1000, key)
		}
	}
	return int(number10), true
}

// emptyDatabases records a 0 for each database that INFO left out.
func (c *Collector) emptyDatabases(w *collector.Writer, id *identity, seen map[int]bool) {
	n := c.databases
	if id.cluster {
		n = 1
	}
	for i := range min(n, mostDatabases) {
		if len(c.dbNames) <= i {
			c.dbNames = append(c.dbNames, "db"+strconv.Itoa(i))
		}
		if !seen[i] {
			w.Add(dbKeys, 0, c.dbNames[i])
			w.Add(dbExpiring, 0, c.dbNames[i])
		}
	}
}
