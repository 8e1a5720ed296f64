package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector"
)

// StatementsConfig says which statements of pg_stat_statements get series of their own.
type StatementsConfig struct {
	// Top is how many statements are ranked, by total time. At most twice as many have series at a time.
	Top int `yaml:"top,omitempty"`
	// Keep is how long a statement keeps its series after it was among the top for the last time.
	Keep model.Duration `yaml:"keep,omitempty"`
	// QueryText makes a label of the statements' text, without constants and cut to 120 characters.
	QueryText bool `yaml:"query_text,omitempty"`
}

// mostStatements bounds Top: a statement has five series.
const mostStatements = 1000

// numbersOfStatement is how many counters a statement has.
const numbersOfStatement = 5

// statementsView reads pg_stat_statements without the texts, which are a file on the server's disk. Sums over all
// statements of a database come with it, so that what has no series of its own is counted as well.
var statementsView = view{
	part: partStatements, name: "stat_statements",
	extension: "pg_stat_statements",
	monitor:   true,
	decoder:   func(c *Collector) decoder { return c.statements },
	values: []value{
		{family: statement.counter("calls_total", "Times that the statement was executed. The queryid other sums up the database's statements that have no series of their own."), expr: "sum(calls)"},
		{family: statementSeconds, expr: "sum(total_time) / 1000", until: 8},
		{family: statementSeconds, expr: "sum(total_exec_time) / 1000", since: 8},
		{family: statement.counter("rows_total", "Rows that the statement returned or changed."), expr: "sum(rows)"},
		{family: statementReads, expr: "sum(blk_read_time) / 1000", until: 11},
		{family: statementReads, expr: "sum(shared_blk_read_time) / 1000", since: 11},
		{family: statementWrites, expr: "sum(blk_write_time) / 1000", until: 11},
		{family: statementWrites, expr: "sum(shared_blk_write_time) / 1000", since: 11},
	},
	sql: `WITH s(userid, dbid, queryid, n1, n2, n3, n4, n5) AS MATERIALIZED (
		SELECT userid, dbid, queryid, {columns} FROM {schema}.pg_stat_statements(false) GROUP BY 1, 2, 3
	), r AS (SELECT *, row_number() OVER (ORDER BY n2 DESC, queryid) AS place FROM s)
	SELECT place::text, pg_get_userbyid(userid)::text, datname::text, queryid::text, n1, n2, n3, n4, n5
	FROM r JOIN pg_database d ON d.oid = r.dbid WHERE place <= $1::bigint OR queryid = ANY ($2::bigint[])
	UNION ALL
	SELECT NULL, NULL, datname::text, NULL, sum(n1), sum(n2), sum(n3), sum(n4), sum(n5)
	FROM s JOIN pg_database d ON d.oid = s.dbid GROUP BY datname`,
}

var (
	statement = naming{"pg_stat_statements_", []string{"user", "datname", "queryid"}}

	statementSeconds = statement.counter("seconds_total", "Time spent executing the statement.")
	statementReads   = statement.counter("block_read_seconds_total", "Time that the statement spent reading blocks; 0 without track_io_timing.")
	statementWrites  = statement.counter("block_write_seconds_total", "Time that the statement spent writing blocks; 0 without track_io_timing.")
)

// statements chooses the statements that get series, and counts the others.
//
// The counter of the others of a database never goes down, though statements leave them for a series of their own: it
// grows by what the database's statements grew, less what those with a series, then and now, grew. So rates add up
// exactly, and totals do until a statement is given a series later than the first ones.
type statements struct {
	cfg  StatementsConfig
	now  func() time.Time
	text func([]byte) string

	admitted map[statementKey]*admitted
	sums     map[string]numbers // of all statements, by database
	others   map[string]numbers // those without series, by database

	rows     []statementRow
	fresh    map[string]numbers // sums of this reading
	families []*collector.Family
}

type numbers [numbersOfStatement]float64

type statementKey struct{ user, database, id string }

// admitted is a statement that has series.
type admitted struct {
	ranked time.Time // when it was among the top last
	last   numbers   // of the reading before
	known  bool      // whether last is
}

type statementRow struct {
	key     statementKey
	place   int
	numbers numbers
}

func newStatements(cfg StatementsConfig, now func() time.Time, text func([]byte) string) *statements {
	s := &statements{
		cfg: cfg, now: now, text: text,
		admitted: make(map[statementKey]*admitted), sums: make(map[string]numbers), others: make(map[string]numbers),
	}
	_, values := statementsView.query(0, extension{})
	for _, v := range values {
		s.families = append(s.families, v.family)
	}
	return s
}

func (s *statements) begin() [][]byte {
	s.rows, s.fresh = s.rows[:0], make(map[string]numbers)
	ids := []byte{'{'}
	for _, id := range s.ids() {
		if len(ids) > 1 {
			ids = append(ids, ',')
		}
		ids = append(ids, id...)
	}
	return [][]byte{strconv.AppendInt(nil, int64(s.cfg.Top), 10), append(ids, '}')}
}

// ids lists the statements that have series.
func (s *statements) ids() []string {
	var list []string
	for key := range s.admitted {
		list = append(list, key.id)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (s *statements) row(_ *samples, row [][]byte) error {
	const before = 4
	if len(row) != before+numbersOfStatement {
		return fmt.Errorf("%d columns instead of %d", len(row), before+numbersOfStatement)
	}
	var r statementRow
	for i, b := range row[before:] {
		v, err := strconv.ParseFloat(string(b), 64)
		if err != nil {
			return fmt.Errorf("column of %s: %w", s.families[i].Name, err)
		}
		r.numbers[i] = v
	}
	if row[0] == nil {
		s.fresh[s.text(row[2])] = r.numbers
		return nil
	}
	if row[3] == nil {
		return nil // Another user's, which is hidden from this role.
	}
	place, err := strconv.Atoi(string(row[0]))
	if err != nil {
		return fmt.Errorf("place: %w", err)
	}
	r.place, r.key = place, statementKey{s.text(row[1]), s.text(row[2]), s.text(row[3])}
	s.rows = append(s.rows, r)
	return nil
}

// end decides who has series and writes them.
func (s *statements) end(out *samples) error {
	now := s.now()
	slices.SortFunc(s.rows, func(a, b statementRow) int { return cmp.Compare(a.place, b.place) })
	for _, r := range s.rows {
		if a := s.admitted[r.key]; a != nil && r.place <= s.cfg.Top {
			a.ranked = now
		}
	}
	for key, a := range s.admitted {
		if now.Sub(a.ranked) > time.Duration(s.cfg.Keep) {
			delete(s.admitted, key)
		}
	}
	grown := make(map[string]numbers) // of those that had a series then and have it now
	shown := make(map[string]numbers)
	present := make(map[statementKey]bool, len(s.rows))
	for _, r := range s.rows {
		a := s.admitted[r.key]
		if a == nil {
			if r.place > s.cfg.Top || len(s.admitted) >= 2*s.cfg.Top {
				continue
			}
			a = &admitted{ranked: now}
			s.admitted[r.key] = a
		}
		present[r.key] = true
		if a.known {
			grown[r.key.database] = grown[r.key.database].plus(r.numbers.minus(a.last))
		}
		shown[r.key.database] = shown[r.key.database].plus(r.numbers)
		a.last, a.known = r.numbers, true
		for i, f := range s.families {
			out.put(f, r.numbers[i], r.key.user, r.key.database, r.key.id)
		}
	}
	for key, a := range s.admitted {
		if !present[key] && a.known { // The server has forgotten it.
			grown[key.database] = grown[key.database].minus(a.last)
			a.known = false
		}
	}
	s.count(out, grown, shown)
	return nil
}

// count brings the counters of the others up to date.
func (s *statements) count(out *samples, grown, shown map[string]numbers) {
	others := make(map[string]numbers, len(s.fresh))
	for database, sum := range s.fresh {
		rest := sum.minus(shown[database])
		if before, ok := s.sums[database]; ok {
			rest = sum.minus(before).minus(grown[database])
		}
		// Less than before: the server has forgotten statements, for want of space or at a reset.
		other := s.others[database]
		for i := range other {
			other[i] += max(rest[i], 0)
			out.put(s.families[i], other[i], otherName, database, otherName)
		}
		others[database] = other
	}
	s.sums, s.others = s.fresh, others
}

func (n numbers) plus(m numbers) numbers {
	for i := range n {
		n[i] += m[i]
	}
	return n
}

func (n numbers) minus(m numbers) numbers {
	for i := range n {
		n[i] -= m[i]
	}
	return n
}
