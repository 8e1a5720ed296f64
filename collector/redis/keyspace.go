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

func keyspaceFamilies() []*collector.Family { return []*collector.Family{dbKeys, dbExpiring, dbTTL} }

// writeKeyspace records the databases, those that INFO leaves out as empty.
func (c *Collector) writeKeyspace(w *collector.Writer, s *scrape) error {
	seen := make(map[int]bool)
	s.info.each("Keyspace", func(key, value string) {
		if db, ok := keyspace(w, key, value); ok {
			seen[db] = true
		}
	})
	if s.id.mode == "sentinel" {
		return nil
	}
	for i := range min(c.databases(s), mostDatabases) {
		if len(c.dbNames) <= i {
			c.dbNames = append(c.dbNames, "db"+strconv.Itoa(i))
		}
		if !seen[i] {
			w.Add(dbKeys, 0, c.dbNames[i])
			w.Add(dbExpiring, 0, c.dbNames[i])
		}
	}
	return nil
}

// databases returns how many databases the server has.
func (c *Collector) databases(s *scrape) int {
	if s.id.cluster {
		return 1
	}
	if n, err := strconv.Atoi(c.known.settings.values["databases"]); err == nil {
		return n
	}
	return usualDatabases
}
