package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// view is a query and what its columns mean, as data. Adding a view means adding one of these to views.
type view struct {
	part string
	name string // unique; in logs and as the view label of the age metric

	// since and until bound the major versions (13, 14, …) that have the view; until is the first without it.
	since, until int

	changes string   // SQL expression; the view is read again only when its value is another
	labels  []string // SQL expressions of type text, in the order of the families' Labels
	values  []value
	from    string // what follows the select list

	slow    bool // at most once every Config.SizeInterval; in between the last values, with their age
	monitor bool // without pg_read_all_stats it shows other users' rows incompletely
	folded  int  // 1 + index of the label whose distinct values are capped; 0 if none

	// decode replaces values for views whose families depend on the rows; it gets the columns after that of changes.
	decode func(v *viewState, row [][]byte) error
}

// value is a column that becomes samples. A NULL gives no sample.
type value struct {
	family       *collector.Family
	expr         string // SQL expression of a numeric type
	since, until int
	largest      bool // folded rows keep the largest value instead of the sum
}

func inVersion(major, since, until int) bool {
	return major >= since && (until == 0 || major < until)
}

// viewState is a view on one session's server version and what it gave last.
type viewState struct {
	*view
	sql    string
	values []value // those that the version has

	last    samples
	token   string    // value of changes when it was read
	readAt  time.Time // zero until it was read
	triedAt time.Time
	scratch samples
	next    string // token of the rows being read

	settings *settings // families made from rows; of the settings view only
}

func newViewState(v *view, major int) *viewState {
	s := &viewState{view: v}
	var list []string
	if v.changes != "" {
		list = append(list, "("+v.changes+")::text")
	}
	list = append(list, v.labels...)
	for _, val := range v.values {
		if inVersion(major, val.since, val.until) {
			s.values = append(s.values, val)
			list = append(list, "("+val.expr+")::float8")
		}
	}
	s.sql = "SELECT " + strings.Join(list, ", ") + " " + v.from
	if v.changes != "" {
		s.sql += " AND (" + v.changes + ")::text IS DISTINCT FROM $1"
	}
	return s
}

// row decodes one row into scratch.
func (s *viewState) row(row [][]byte, in *interner, fold func(string) string) error {
	if s.changes != "" {
		if s.next == "" {
			s.next = string(row[0])
		}
		row = row[1:]
	}
	if s.decode != nil {
		return s.decode(s, row)
	}
	n := len(s.labels)
	if len(row) != n+len(s.values) {
		return fmt.Errorf("%d columns instead of %d", len(row), n+len(s.values))
	}
	from := len(s.scratch.labels)
	for i, b := range row[:n] {
		text := in.text(b)
		if i+1 == s.folded {
			text = fold(text)
		}
		s.scratch.labels = append(s.scratch.labels, text)
	}
	for i, b := range row[n:] {
		if b == nil {
			continue
		}
		v, err := strconv.ParseFloat(string(b), 64)
		if err != nil {
			return fmt.Errorf("column of %s: %w", s.values[i].family.Name, err)
		}
		s.scratch.add(s.values[i].family, v, from, n, s.values[i].largest)
	}
	return nil
}

func (s *viewState) query() query {
	q := query{name: s.name, sql: s.sql}
	if s.changes != "" {
		q.params = [][]byte{[]byte(s.token)}
	}
	return q
}

func (s *viewState) due(now time.Time, interval time.Duration) bool {
	return !s.slow || s.triedAt.IsZero() || now.Sub(s.triedAt) >= interval
}

func (s *viewState) begin(now time.Time) {
	s.triedAt = now
	s.next = ""
	s.scratch.reset()
}

// done makes what was read the view's last values.
func (s *viewState) done(now time.Time) {
	s.readAt = now
	if s.changes != "" && s.next == "" {
		return // Nothing changed.
	}
	s.token = s.next
	if s.folded > 0 {
		s.scratch.merge()
	}
	s.last, s.scratch = s.scratch, s.last
}

// failed forgets values that would otherwise pass for fresh. Those of a slow view stay: their age tells.
func (s *viewState) failed() {
	if !s.slow {
		s.last.reset()
		s.token = ""
	}
}

func (s *viewState) write(w *collector.Writer, now time.Time) {
	s.last.write(w)
	if s.slow && !s.readAt.IsZero() {
		w.Add(age, now.Sub(s.readAt).Seconds(), s.name)
	}
}

// samples is a list of samples whose label values lie in one slice.
type samples struct {
	list   []sample
	labels []string
}

type sample struct {
	family   *collector.Family
	value    float64
	from, n  int
	largest  bool
	absorbed bool // merged into an earlier one
}

func (s *samples) reset() {
	s.list = s.list[:0]
	s.labels = s.labels[:0]
}

func (s *samples) add(f *collector.Family, v float64, from, n int, largest bool) {
	s.list = append(s.list, sample{family: f, value: v, from: from, n: n, largest: largest})
}

func (s *samples) values(i int) []string {
	return s.labels[s.list[i].from : s.list[i].from+s.list[i].n]
}

// merge makes one sample of those that have the same family and labels.
func (s *samples) merge() {
	seen := make(map[string]int, len(s.list))
	var key []byte
	for i := range s.list {
		key = append(append(key[:0], s.list[i].family.Name...), 0)
		for _, v := range s.values(i) {
			key = append(append(key, v...), 0)
		}
		first, ok := seen[string(key)]
		if !ok {
			seen[string(key)] = i
			continue
		}
		to, from := &s.list[first], &s.list[i]
		from.absorbed = true
		if to.largest {
			to.value = max(to.value, from.value)
		} else {
			to.value += from.value
		}
	}
}

func (s *samples) write(w *collector.Writer) {
	for i, one := range s.list {
		if !one.absorbed {
			w.Add(one.family, one.value, s.values(i)...)
		}
	}
}

// interner gives the same string for the same bytes, so that label values that stay cost nothing.
type interner struct{ known map[string]string }

// maxInterned bounds the interner; beyond it everything is forgotten.
const maxInterned = 20_000

func (in *interner) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := in.known[string(b)]; ok {
		return s
	}
	if in.known == nil || len(in.known) >= maxInterned {
		in.known = make(map[string]string)
	}
	s := string(b)
	in.known[s] = s
	return s
}
