// Package redis reads Redis 5 to 8 and Valkey for Prometheus, with the names, labels and types of redis_exporter.
//
// A target is read over one kept connection, in one pipeline per scrape. What INFO's fields become is data: see tables.
// What needs a look at the keys goes in steps with a budget, beside the pipeline.
package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chronoops/chronoops/collector"
)

const (
	clientName = "chronoops"
	// defaultDeadline bounds a collection whose context has no deadline.
	defaultDeadline = 10 * time.Second
)

var up = &collector.Family{
	Name: "redis_up", Type: collector.Gauge,
	Help: "Whether the server answered this scrape; see chronoops_target_down for the reason if not.",
}

// Options are what a Collector needs.
type Options struct {
	Config Config
	Now    func() time.Time // time.Now if nil
}

// Collector reads one Redis server.
type Collector struct {
	cfg     access
	now     func() time.Time
	parts   []collector.Part
	readers []reader
	fields  map[string]*field // of INFO, by key

	clusterFields, sentinelFields, moduleFields map[string]*field

	mu      sync.Mutex // held by Collect; the rest of the struct is under it
	client  *goredis.Client
	closed  bool
	known   known
	dbNames []string
	started started
	own     ownStats
	firstDB int // the database that the address names
	keys    keyChecks

	place place  // nil for a server that was not found by another
	group *Group // nil for a server whose address stands for itself alone
}

// place is where a server stands among others.
type place interface {
	asksForKeys() bool    // whether this server is the one of its shard that is asked about keys
	owns(key string) bool // whether the key is its shard's
}

// New returns a collector for one server, without connecting to it.
func New(o Options) (*Collector, error) {
	if err := o.Config.validate(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c, err := newCollector(access{Config: o.Config}, o.Now)
	if err == nil && o.Config.Grouped() {
		c.group, err = newGroup(o)
	}
	return c, err
}

// Finder returns what finds the servers of a target with cluster or sentinel, nil for any other.
func (c *Collector) Finder() collector.Finder {
	if c.group == nil {
		return nil
	}
	return c.group
}

// newCollector is New for a configuration that is known to be valid.
func newCollector(a access, now func() time.Time) (*Collector, error) {
	plan, err := a.plan()
	if err != nil {
		return nil, err
	}
	return &Collector{
		cfg: a, now: now, parts: Parts(), readers: readers(), keys: keyChecks{plan: plan},
		fields: byKey(tables()...), moduleFields: byKey(moduleTables()...), clusterFields: byKey(clusterInfoFields, messageFields),
		sentinelFields: byKey(sentinelFields),
	}, nil
}

// Parts returns what can be selected.
func (c *Collector) Parts() []collector.Part { return c.parts }

// Close ends the connection. A collection that is under way ends first.
func (c *Collector) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.drop()
}

func (c *Collector) drop() {
	if c.client != nil {
		_ = c.client.Close() // There is nobody to tell, and nothing to do about it.
		c.client = nil
	}
}

// Collect reads the server in one pipeline.
func (c *Collector) Collect(ctx context.Context, w *collector.Writer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultDeadline)
		defer cancel()
	}
	start := time.Now()
	kept := c.client != nil
	s, err := c.ask(ctx, w)
	if err != nil && kept && worthAnother(err) && ctx.Err() == nil {
		// The connection died since the last scrape, or a password file has changed. That does not mean down.
		s, err = c.ask(ctx, w)
	}
	c.own.observe(time.Since(start))
	if err != nil {
		c.writeDown(w, err)
		return nil
	}
	w.Add(up, 1)
	w.Part(partServer, func() error { return c.own.write(w, "") })
	for _, r := range c.readers {
		if r.write != nil {
			w.Part(r.name, func() error { return r.write(c, w, s) })
		}
	}
	c.lookAtKeys(ctx, w, s)
	return nil
}

func (c *Collector) writeDown(w *collector.Writer, err error) {
	why := reason(err)
	w.Add(up, 0)
	w.Add(collector.Down, 1, partServer, why)
	w.Part(partServer, func() error {
		return errors.Join(c.own.write(w, why), fmt.Errorf("redis target %q is down (%s): %s", c.cfg.Name, why, describe(err)))
	})
}

func worthAnother(err error) bool {
	switch reason(err) {
	case collector.ReasonReset, collector.ReasonCredentials, collector.ReasonAnonymous:
		return true
	default:
		return false
	}
}
