// Package redis reads Redis 5 to 8 for Prometheus, with the names, labels and types of redis_exporter.
//
// A target is read over one kept connection, in one pipeline per scrape. What INFO's fields become is data: see tables.
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

// The parts of a Redis target.
const (
	partServer   = "redis"
	partInfo     = "redis_info"
	partKeyspace = "redis_keyspace"
	partCommands = "redis_commandstats"
	partErrors   = "redis_errorstats"
	partConfig   = "redis_config"
	partSlowlog  = "redis_slowlog"
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
	cfg    Config
	now    func() time.Time
	parts  []collector.Part
	fields map[string]*field

	mu        sync.Mutex // held by Collect; the rest of the struct is under it
	client    *goredis.Client
	closed    bool
	databases int
	dbNames   []string
	started   started
	config    refusal
	slowlog   refusal
}

// New returns a collector for one server, without connecting to it.
func New(o Options) (*Collector, error) {
	if err := o.Config.validate(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Collector{cfg: o.Config, now: o.Now, parts: parts(), fields: byKey(), databases: usualDatabases}, nil
}

func parts() []collector.Part {
	info := append(replicationFamilies(), startTime)
	for _, table := range tables() {
		for _, f := range table {
			info = append(info, f.family)
		}
	}
	return []collector.Part{
		{Name: partServer, Default: true, Families: []*collector.Family{up, instanceInfo, collector.Down}},
		{Name: partInfo, Default: true, Families: info},
		{Name: partKeyspace, Default: true, Families: []*collector.Family{dbKeys, dbExpiring, dbTTL}},
		{Name: partCommands, Default: true, Families: []*collector.Family{commands, commandDuration, commandsRejected, commandsFailed}},
		{Name: partErrors, Default: true, Families: []*collector.Family{errorReplies}},
		{Name: partConfig, Default: true, Families: configFamilies()},
		{Name: partSlowlog, Default: true, Families: []*collector.Family{slowlogLength}},
	}
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
	kept := c.client != nil
	got, err := c.ask(ctx, w)
	if err != nil && kept && worthAnother(err) && ctx.Err() == nil {
		// The connection died since the last scrape, or a password file has changed. That does not mean down.
		got, err = c.ask(ctx, w)
	}
	if err != nil {
		why := reason(err)
		w.Add(up, 0)
		w.Add(collector.Down, 1, partServer, why)
		w.Part(partServer, func() error {
			return fmt.Errorf("redis target %q is down (%s): %s", c.cfg.Name, why, describe(err))
		})
		return nil
	}
	w.Add(up, 1)
	c.write(w, got)
	return nil
}

func worthAnother(err error) bool {
	switch reason(err) {
	case collector.ReasonReset, collector.ReasonCredentials, collector.ReasonAnonymous:
		return true
	default:
		return false
	}
}

// answers is what one pipeline brought.
type answers struct {
	info    string
	config  configReplies   // nil if it was not asked for
	slowlog *goredis.IntCmd // nil if it was not asked for
}

// ask sends everything at once. An error means that the server cannot be read.
func (c *Collector) ask(ctx context.Context, w *collector.Writer) (*answers, error) {
	if c.closed {
		return nil, errors.New("the collector is closed")
	}
	if c.client == nil {
		o, err := c.cfg.options()
		if err != nil {
			return nil, err
		}
		c.client = goredis.NewClient(o)
	}
	now := c.now()
	p := c.client.Pipeline()
	info := p.Info(ctx, "ALL")
	got := &answers{}
	if !c.config.active(now) && (w.Selected(partConfig) || w.Selected(partKeyspace)) {
		got.config = askConfig(ctx, p)
	}
	if !c.slowlog.active(now) && w.Selected(partSlowlog) {
		got.slowlog = p.SlowLogLen(ctx)
	}
	_, pipeErr := p.Exec(ctx)
	var err error
	if got.info, err = info.Result(); err == nil && got.info == "" {
		err = pipeErr // The client keeps an error of the login from the commands.
		if err == nil {
			err = errors.New("the reply to INFO is empty")
		}
	}
	if err != nil {
		c.drop()
		return nil, err
	}
	if _, ok := saidByServer(pipeErr); pipeErr != nil && !ok {
		c.drop() // It broke after INFO; the parts that are missing tell.
	}
	if got.config != nil {
		c.config.note(got.config.err(), now)
	}
	if got.slowlog != nil {
		c.slowlog.note(got.slowlog.Err(), now)
	}
	return got, nil
}

func (c *Collector) write(w *collector.Writer, got *answers) {
	id := identify(got.info)
	w.Part(partServer, func() error {
		if id.version == "" {
			return errors.New("the reply to INFO has no redis_version: is this a Redis server")
		}
		id.write(w)
		return nil
	})
	w.Part(partInfo, func() error {
		c.writeInfo(w, got.info, &id)
		return nil
	})
	w.Part(partCommands, func() error {
		section(got.info, "Commandstats", func(key, value string) { commandStats(w, key, value) })
		return nil
	})
	w.Part(partErrors, func() error {
		var e errorStats
		section(got.info, "Errorstats", func(key, value string) { e.line(w, key, value) })
		e.done(w)
		return nil
	})
	w.Part(partKeyspace, func() error {
		if n := got.config.databases(); n > 0 {
			c.databases = n
		}
		seen := make(map[int]bool)
		section(got.info, "Keyspace", func(key, value string) {
			if db, ok := keyspace(w, key, value); ok {
				seen[db] = true
			}
		})
		c.emptyDatabases(w, &id, seen)
		return nil
	})
	w.Part(partConfig, func() error {
		if got.config == nil {
			return refusedError("CONFIG GET", c.config.err)
		}
		return got.config.write(w)
	})
	w.Part(partSlowlog, func() error {
		if got.slowlog == nil {
			return refusedError("SLOWLOG LEN", c.slowlog.err)
		}
		n, err := got.slowlog.Result()
		if err != nil {
			return refusedError("SLOWLOG LEN", err)
		}
		w.Add(slowlogLength, float64(n))
		return nil
	})
}

func refusedError(command string, err error) error {
	return fmt.Errorf("%s: %s: allow it to the user, or switch the part off", command, describe(err))
}

// writeInfo records the fields of all sections that have no part of their own.
func (c *Collector) writeInfo(w *collector.Writer, info string, id *identity) {
	for s := (scanner{rest: info}); s.next(); {
		switch s.section {
		case "Commandstats", "Errorstats", "Keyspace":
			continue
		case "Replication":
			if replication(w, id, s.key, s.value) {
				continue
			}
		}
		if f, ok := c.fields[s.key]; ok {
			f.add(w, s.value)
		}
	}
	if id.hasUptime {
		w.Add(startTime, c.started.time(id, c.now()))
	}
}

// section calls line for each line of one section of INFO.
func section(info, name string, line func(key, value string)) {
	for s := (scanner{rest: info}); s.next(); {
		if s.section == name {
			line(s.key, s.value)
		}
	}
}
