// Package postgres reads PostgreSQL 13 to 18 for Prometheus, with the names, labels and types of postgres_exporter.
//
// A target is read over one kept session, in one round trip per scrape. What is read is data: see views.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chronoops/chronoops/collector"
)

const (
	// defaultDeadline bounds a collection whose context has no deadline.
	defaultDeadline = 10 * time.Second
	// keepNames is how long an application_name that is gone keeps its place among those that have series.
	keepNames = time.Hour
)

// Options are what a Collector needs.
type Options struct {
	Config Config
	Now    func() time.Time // time.Now if nil
}

// Collector reads one PostgreSQL server.
type Collector struct {
	cfg     Config
	now     func() time.Time
	catalog []*view // of all versions
	parts   []collector.Part

	sessions permits

	mu      sync.Mutex   // held by Collect; the rest of the struct is under it
	session *session     // nil while there is none
	views   []*viewState // of the server's major version
	major   int
	names   *folder
	intern  interner

	statements *statements

	timeouts int       // connections in a row that were not answered
	pause    time.Time // no connection before
	closed   bool
	scrapes  uint64 // so far

	round      *round // nil while none is under way
	walked     map[*view]time.Time
	places     []*place // by name
	roundErr   error    // of the last round, as a whole
	roundViews []*view  // that it should have read
}

// New returns a collector for one server, without connecting to it.
func New(o Options) (*Collector, error) {
	o.Config.complete()
	if err := o.Config.validate(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	catalog := views()
	for i := range o.Config.Queries {
		catalog = append(catalog, o.Config.Queries[i].view())
	}
	return newCollector(o, catalog), nil
}

func newCollector(o Options, catalog []*view) *Collector {
	if !o.Config.Statements.QueryText {
		catalog = slices.DeleteFunc(catalog, func(v *view) bool { return v == &statementTextsView })
	}
	c := &Collector{
		cfg: o.Config, now: o.Now, catalog: catalog, parts: parts(catalog), sessions: newPermits(),
		names: newFolder(o.Config.ApplicationNames, keepNames), walked: make(map[*view]time.Time),
	}
	c.statements = newStatements(o.Config.Statements, o.Now, c.intern.text)
	return c
}

// Parts returns what can be selected.
func (c *Collector) Parts() []collector.Part { return c.parts }

// Close ends the session. A collection that is under way ends first.
func (c *Collector) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.round != nil {
		c.round.cancel()
	}
	c.drop()
}

// Collect reads the selected views in one round trip.
func (c *Collector) Collect(ctx context.Context, w *collector.Writer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultDeadline)
		defer cancel()
	}
	kept, start := c.session != nil, time.Now()
	err := c.collect(ctx, w)
	var down *downError
	if errors.As(err, &down) && down.stale && kept && ctx.Err() == nil {
		// The kept session died since the last scrape, as after a restart of the server. That does not mean down.
		err = c.collect(ctx, w)
	}
	c.writeOwn(w, time.Since(start), err != nil)
	if errors.As(err, &down) {
		w.Add(up, 0)
		w.Add(collector.Down, 1, partServer, down.reason)
		w.Part(partServer, func() error { return down })
		return nil
	}
	return err
}

// collect returns a *downError if it could not even begin.
func (c *Collector) collect(ctx context.Context, w *collector.Writer) error {
	if err := c.connect(ctx); err != nil {
		return c.down(err, false)
	}
	s := c.session
	c.walk(w)
	due := c.due(w)
	deadline, _ := ctx.Deadline()
	queries := make([]query, 0, 1+len(due))
	queries = append(queries, serverQuery(time.Until(deadline), len(due)))
	for _, v := range due {
		queries = append(queries, c.queries(v, time.Until(deadline))...)
	}
	run, err := s.send(ctx, queries)
	if err != nil {
		c.drop()
		return c.down(err, true)
	}
	defer func() {
		run.end()
		if s.lost() {
			c.drop()
		}
	}()

	var version string
	var monitor bool
	err = run.read("server", func(row [][]byte) error {
		version, monitor = c.intern.text(row[1]), string(row[2]) == "true"
		return nil
	})
	if _, lost := errors.AsType[*lostError](err); lost {
		c.drop()
		return c.down(err, true)
	}
	w.Add(up, 1)
	if err == nil {
		w.Add(static, 1, s.server, shortVersion(version), version)
	}
	w.Part(partServer, func() error { return queryError("server", err) })
	c.read(w, run, due, monitor)
	return nil
}

// due returns the selected views that have to be read now, in their order.
func (c *Collector) due(w *collector.Writer) []*viewState {
	now := c.now()
	var due []*viewState
	for _, v := range c.views {
		if w.Selected(v.part) && v.due(now, time.Duration(c.cfg.SlowInterval)) {
			due = append(due, v)
		}
	}
	return due
}

// queries are what to ask for a view; for one whose extension is not known, whether the extension is there.
func (c *Collector) queries(v *viewState, left time.Duration) []query {
	if v.view.extension != "" {
		x, ok := c.session.extensions[v.view.extension]
		if v.asks = !ok; v.asks {
			return []query{extensionsQuery}
		}
		v.adapt(x)
	}
	return v.queries(c.cfg.Relations, left)
}

// read takes the answers and writes the samples, one part after the other.
func (c *Collector) read(w *collector.Writer, run *scrape, due []*viewState, monitor bool) {
	var broken error // the session ended; nothing more can be read
	around := &surroundings{intern: &c.intern, fold: c.fold, server: c.session.server}
	now := c.now()
	for _, v := range c.views {
		w.Part(v.part, func() error {
			if len(due) > 0 && due[0] == v {
				due = due[1:]
				err := broken
				if err == nil {
					err = c.readView(run, v, monitor, around)
				}
				if err != nil {
					v.failed(err)
				}
				if _, lost := errors.AsType[*lostError](err); lost {
					broken = err
				}
			}
			if v.slow && !v.readAt.IsZero() {
				w.Add(age, now.Sub(v.readAt).Seconds(), v.name)
			}
			return queryError(v.name, v.write(w))
		})
	}
	for _, v := range c.catalog {
		if v.inRounds() || !inVersion(c.major, v.since, v.until) {
			w.Part(v.part, func() error { return nil }) // There may be nothing to read, in this version or as yet.
		}
	}
	c.writePlaces(w)
	c.writeLeftOut(w)
	if broken != nil {
		c.drop()
	}
}

// writeLeftOut tells how many rows the caps have left out of all databases.
func (c *Collector) writeLeftOut(w *collector.Writer) {
	more := make(map[*view]float64)
	note := func(list []*viewState) {
		for _, s := range list {
			if s.capped && !s.readAt.IsZero() && w.Selected(s.part) {
				more[s.view] += s.more
			}
		}
	}
	note(c.views)
	for _, p := range c.places {
		note(p.states)
	}
	for _, v := range c.catalog {
		if n, ok := more[v]; ok {
			w.Add(leftOut, n, v.name)
		}
	}
}

// fold gives an application_name, or the name that stands for those without series of their own.
func (c *Collector) fold(name string) string { return c.names.name(name, c.now()) }

func (c *Collector) readView(run *scrape, v *viewState, monitor bool, around *surroundings) error {
	v.begin(c.now())
	if v.asks {
		return run.askFor(v.view.extension)
	}
	err := run.rows(v, around)
	run.session.doubt(v.view.extension, err)
	switch {
	case err == nil && v.monitor && !monitor && v.rows > 0:
		return errNotMonitor
	case err != nil:
		return err
	}
	return v.done(c.now())
}

var errNotMonitor = errors.New("other users' rows are hidden from this role: GRANT pg_monitor TO it")

// queryError gives an error of a view words that stay the same, without anything of the data.
func queryError(view string, err error) error {
	if err == nil {
		return nil
	}
	var pgErr *pgconn.PgError
	text := collector.NetError(err)
	switch {
	case errors.As(err, &pgErr) && (strings.HasPrefix(pgErr.Code, "22") || strings.HasPrefix(pgErr.Code, "P0")):
		text = "SQLSTATE " + pgErr.Code // The server's words may repeat a value.
	case errors.As(err, &pgErr):
		text = fmt.Sprintf("%s (SQLSTATE %s)", pgErr.Message, pgErr.Code)
	case text == "":
		text = err.Error()
	}
	if h := hint(view, err); h != "" {
		text += ": " + h
	}
	return fmt.Errorf("read %s: %s", view, text)
}

// statementTimeout leaves a fifth of the time to the queries after one that runs into it. In milliseconds.
func statementTimeout(left time.Duration) []byte { return milliseconds(left * 4 / 5) }

var versionNumber = regexp.MustCompile(`^\S+ (\d+(?:\.\d+)*)`)

// shortVersion gives "PostgreSQL 15.18 (Debian …) on …" as "15.18.0".
func shortVersion(version string) string {
	m := versionNumber.FindStringSubmatch(version)
	if m == nil {
		return ""
	}
	n := strings.Split(m[1], ".")
	for len(n) < 3 {
		n = append(n, "0")
	}
	return strings.Join(n[:3], ".")
}
