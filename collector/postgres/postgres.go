// Package postgres reads PostgreSQL 13 to 18 for Prometheus, with the names, labels and types of postgres_exporter.
//
// A target is read over one kept session, in one round trip per scrape. What is read is data: see views.
package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

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
