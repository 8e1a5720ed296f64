package postgres

import (
	"fmt"
	"strconv"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// retryAfter is the least time between two tries to read a slow view that failed.
const retryAfter = time.Minute

// viewState is a view on one server version and what it gave last.
type viewState struct {
	*view
	decoder   decoder // nil for most
	major     int
	extension extension // what sql was made for
	asks      bool      // for its extension, in this scrape
	statement string    // name of the prepared statement
	sql       string
	values    []value // those that the version has

	last    samples
	more    float64   // rows that the cap left out
	token   string    // value of changes when it was read
	readAt  time.Time // zero until it was read
	triedAt time.Time
	err     error // of the last try
	scratch samples
	next    string // token of the rows being read
	total   float64
	rows    int
}

// surroundings are what the rows of a view are read with.
type surroundings struct {
	intern *interner
	fold   func(string) string
	server string
}

func newViewState(v *view, major int, d decoder) *viewState {
	s := &viewState{view: v, major: major, decoder: d}
	s.adapt(extension{})
	return s
}

// adapt makes the query fit the version of the extension that has the view.
func (s *viewState) adapt(x extension) {
	if s.sql != "" && s.extension == x {
		return
	}
	s.extension = x
	s.sql, s.values = s.query(s.major, x)
	s.statement = s.name
	if x.schema != "" {
		s.statement += "/" + x.schema + "/" + strconv.Itoa(x.minor)
	}
}

// queries are what to send: before a query with a timeout of its own, one that sets it. left is until the deadline.
func (s *viewState) queries(rows int, left time.Duration) []query {
	q := query{name: s.statement, sql: s.sql}
	switch {
	case s.decoder != nil:
		q.params = s.decoder.begin()
	case s.capped:
		q.params = [][]byte{strconv.AppendInt(nil, int64(rows), 10)}
	}
	if s.changes != "" {
		q.params = [][]byte{[]byte(s.token)}
	}
	if s.timeout == 0 {
		return []query{q}
	}
	return []query{timeoutQuery(min(s.timeout, left*4/5)), q}
}

// row decodes one row into scratch.
func (s *viewState) row(row [][]byte, around *surroundings) error {
	s.rows++
	if s.changes != "" {
		if s.next == "" {
			s.next = string(row[0])
		}
		row = row[1:]
	}
	if s.decoder != nil {
		return s.decoder.row(&s.scratch, row)
	}
	if s.capped {
		total, err := strconv.ParseFloat(string(row[0]), 64)
		if err != nil {
			return fmt.Errorf("number of rows: %w", err)
		}
		s.total, row = total, row[1:]
	}
	n := len(s.labels)
	if len(row) != n+len(s.values) {
		return fmt.Errorf("%d columns instead of %d", len(row), n+len(s.values))
	}
	from := len(s.scratch.labels)
	for i, b := range row[:n] {
		text := around.intern.text(b)
		switch i + 1 {
		case s.folded:
			text = around.fold(text)
		case s.server:
			text = around.server
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
		s.take(&s.values[i], v, from, n)
	}
	return nil
}

// take records a value of the row whose n labels are at from.
func (s *viewState) take(val *value, v float64, from, n int) {
	if val.only == nil {
		s.scratch.add(val.family, v, from, n, val.largest)
		return
	}
	at := len(s.scratch.labels)
	for _, i := range val.only {
		s.scratch.labels = append(s.scratch.labels, s.scratch.labels[from+i])
	}
	s.scratch.add(val.family, v, at, len(val.only), val.largest)
}

func (s *viewState) due(now time.Time, interval time.Duration) bool {
	if o, ok := s.decoder.(occasional); ok && !o.wanted() {
		return false
	}
	interval = s.pace(interval)
	if s.err != nil {
		interval = min(interval, retryAfter)
	}
	return !s.slow || s.triedAt.IsZero() || now.Sub(s.triedAt) >= interval
}

func (s *viewState) begin(now time.Time) {
	s.triedAt = now
	s.next, s.total, s.rows = "", 0, 0
	s.scratch.reset()
}

// done makes what was read the view's last values.
func (s *viewState) done(now time.Time) error {
	s.err = nil
	s.readAt = now
	if s.changes != "" && s.next == "" {
		return nil // Nothing changed.
	}
	s.token = s.next
	if s.decoder != nil {
		if err := s.decoder.end(&s.scratch); err != nil {
			return err
		}
	}
	if s.folded > 0 {
		s.scratch.merge()
	}
	s.more = max(s.total-float64(s.rows), 0)
	s.last, s.scratch = s.scratch, s.last
	return nil
}

// failed forgets values that would otherwise pass for fresh. Those of a slow view stay: their age tells.
func (s *viewState) failed(err error) {
	s.err = err
	if !s.slow {
		s.last.reset()
		s.token = ""
	}
}

// write records the last values, and says so if the last try to read them failed.
func (s *viewState) write(w *collector.Writer) error {
	if err := s.last.write(w); err != nil {
		return err
	}
	return s.err
}
