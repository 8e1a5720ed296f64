package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// queryPrefix begins the names of the parts of the operator's own queries.
const queryPrefix = "query_"

// longestLabel is how much of a text becomes the value of a label, in characters.
const longestLabel = 200

// view makes the query one like those that are built in. The query stands in parentheses, which only one that reads can.
func (q *QueryConfig) view() *view {
	limit := cmp.Or(q.MaxRows, defaultMaxRows)
	v := &view{
		part: queryPrefix + q.Name, name: queryPrefix + q.Name,
		slow: q.MinInterval > 0, every: time.Duration(q.MinInterval),
		timeout:   cmp.Or(time.Duration(q.Timeout), defaultQueryTimeout),
		databases: q.Databases,
		emits:     q.families(),
		sql:       "SELECT * FROM (\n" + q.bare() + "\n) AS q LIMIT " + strconv.Itoa(limit+1),
	}
	labels := q.labels()
	v.decoder = func(*Collector) decoder { return &queryRows{query: q, labels: labels, families: v.emits, limit: limit} }
	return v
}

// queryRows turns the rows of a query into samples by the names of its columns.
type queryRows struct {
	query    *QueryConfig
	labels   []string
	families []*collector.Family
	limit    int
	database string // for the label datname; empty without

	labelAt  []int // columns of labels
	familyAt []int // columns of families
	seen     map[string]bool
	values   []string
}

func (r *queryRows) begin() [][]byte {
	r.seen = make(map[string]bool)
	return nil
}

func (r *queryRows) in(database string) { r.database = database }

// describe finds the columns. Those that nobody described, and those that are not there, are errors.
func (r *queryRows) describe(columns []string) error {
	r.labelAt, r.familyAt = r.labelAt[:0], r.familyAt[:0]
	for i, name := range columns {
		if _, ok := r.query.Columns[name]; !ok {
			return fmt.Errorf("the result has a column %q that is not described: add it to columns, or leave it out of the query", name)
		}
		if slices.Contains(columns[:i], name) {
			return fmt.Errorf("the result has two columns %q: give one an alias", name)
		}
	}
	for _, name := range r.labels {
		r.labelAt = append(r.labelAt, slices.Index(columns, name))
	}
	for _, f := range r.families {
		r.familyAt = append(r.familyAt, slices.Index(columns, strings.TrimPrefix(f.Name, r.query.Name+"_")))
	}
	for name := range r.query.Columns {
		if !slices.Contains(columns, name) {
			return fmt.Errorf("the result has no column %q: give the column that alias, or leave it out of columns", name)
		}
	}
	return nil
}

func (r *queryRows) row(out *samples, row [][]byte) error {
	if len(r.seen) == r.limit {
		return fmt.Errorf("more than %d rows: group them, or raise max_rows", r.limit)
	}
	r.values = r.values[:0]
	var key []byte
	for _, at := range r.labelAt {
		text := cut(string(row[at]), longestLabel)
		r.values = append(r.values, text)
		key = append(append(key, text...), 0)
	}
	if r.seen[string(key)] {
		return fmt.Errorf("two rows have the same labels (%s): group by them", strings.Join(r.labels, ", "))
	}
	r.seen[string(key)] = true
	if len(r.query.Databases) > 0 {
		r.values = append(r.values, r.database)
	}
	for i, at := range r.familyAt {
		if row[at] == nil {
			continue
		}
		v, ok := numberOf(string(row[at]))
		if !ok {
			return fmt.Errorf("column %q is no number: cast it, times with extract(epoch FROM …)",
				strings.TrimPrefix(r.families[i].Name, r.query.Name+"_"))
		}
		out.put(r.families[i], v, r.values...)
	}
	return nil
}

func (r *queryRows) end(*samples) error { return nil }

// numberOf reads a number or a boolean as PostgreSQL writes it.
func numberOf(s string) (float64, bool) {
	switch s {
	case "t":
		return 1, true
	case "f":
		return 0, true
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}
