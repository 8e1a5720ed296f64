package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// walk takes what the last round found, and starts one if something that is selected is due.
func (c *Collector) walk(w *collector.Writer) {
	if c.round != nil {
		select {
		case <-c.round.done:
			c.arrive(c.round)
			c.round = nil
		default:
			return
		}
	}
	now := c.now()
	var due []*view
	for _, v := range c.catalog {
		walked := v.inRounds() || v.local && len(c.cfg.Databases.Include) > 0
		if !walked || !w.Selected(v.part) || !inVersion(c.major, v.since, v.until) {
			continue
		}
		if at, ok := c.walked[v]; !ok || now.Sub(at) >= v.pace(time.Duration(c.cfg.SlowInterval)) {
			due = append(due, v)
		}
	}
	if len(due) == 0 {
		return
	}
	cfg, err := c.cfg.connConfig()
	if err != nil || !c.sessions.try() {
		return // The next scrape tries again.
	}
	for _, v := range due {
		c.walked[v] = now
	}
	r := &round{
		cfg: cfg, now: c.now, views: due, choose: c.cfg.Databases, rows: make(map[*view]int),
		readAt: make(map[string]time.Time), done: make(chan struct{}),
	}
	for _, v := range due {
		r.rows[v] = c.cfg.Relations
	}
	for _, p := range c.places {
		r.readAt[p.name] = p.oldest()
	}
	var ctx context.Context
	ctx, r.cancel = context.WithTimeout(context.Background(), longestRound)
	c.round = r
	go func() {
		defer c.sessions.release()
		defer r.cancel()
		r.run(ctx)
	}()
}

// again lets a round that did not get to its end be followed by another before its time.
func (c *Collector) again(r *round) {
	for _, v := range r.views {
		if pace := v.pace(time.Duration(c.cfg.SlowInterval)); pace > retryAfter {
			c.walked[v] = c.walked[v].Add(retryAfter - pace)
		}
	}
}

// arrive makes what a round found the values of later scrapes. What it did not reach or failed to read stays as it was,
// and its age tells.
func (c *Collector) arrive(r *round) {
	c.roundErr = r.err
	if r.err != nil || r.cut {
		c.again(r)
	}
	if r.err != nil {
		c.roundViews = r.views
		return
	}
	c.places = slices.DeleteFunc(c.places, func(p *place) bool { return !slices.Contains(r.present, p.name) })
	for _, fresh := range r.places {
		i := slices.IndexFunc(c.places, func(p *place) bool { return p.name == fresh.name })
		if i < 0 {
			c.places = append(c.places, fresh)
			continue
		}
		for _, s := range fresh.states {
			j := slices.IndexFunc(c.places[i].states, func(old *viewState) bool { return old.view == s.view })
			switch {
			case j < 0:
				c.places[i].states = append(c.places[i].states, s)
			case s.err != nil:
				c.places[i].states[j].err = s.err
			default:
				c.places[i].states[j] = s
			}
		}
	}
	slices.SortFunc(c.places, func(a, b *place) int { return strings.Compare(a.name, b.name) })
}

// writePlaces records what rounds have found.
func (c *Collector) writePlaces(w *collector.Writer) {
	now := c.now()
	for _, p := range c.places {
		for _, s := range p.states {
			w.Part(s.part, func() error {
				if err := queryError(s.name, s.write(w)); err != nil {
					return fmt.Errorf("database %s: %w", p.name, err)
				}
				return nil
			})
		}
		if at := p.oldest(); !at.IsZero() {
			w.Add(databaseAge, now.Sub(at).Seconds(), p.name)
		}
	}
	if c.roundErr != nil {
		for _, v := range c.roundViews {
			w.Part(v.part, func() error { return queryError("databases", c.roundErr) })
		}
	}
}
