package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/chronoops/chronoops/collector"
)

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
