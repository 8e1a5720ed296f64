// Package api watches an HTTP API from outside by probes, and from its front server's access log.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// Options are what a Collector needs.
type Options struct {
	Config   Config
	StateDir string // for positions in logs; empty keeps none, and each start begins at the logs' ends
	Logger   *slog.Logger
}

// Collector reads one API target. It is a collector.Runner too: Run follows the access log between scrapes.
type Collector struct {
	cfg    Config
	probes []*cachedProbe // as in cfg.Probes
	log    *accessLog     // nil without one
}

var (
	_ collector.Collector = (*Collector)(nil)
	_ collector.Runner    = (*Collector)(nil)
)

// New checks the configuration; it opens and asks nothing yet.
func New(o Options) (*Collector, error) {
	o.Config = o.Config.clone()
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	c := &Collector{cfg: o.Config}
	for _, p := range c.cfg.Probes {
		c.probes = append(c.probes, newCachedProbe(time.Duration(p.MinInterval)))
	}
	if c.cfg.AccessLog != nil {
		var stateFile string
		if o.StateDir != "" {
			stateFile = filepath.Join(o.StateDir, "accesslog-"+url.PathEscape(c.cfg.Name)+".json")
		}
		var err error
		log := o.Logger.With("target", c.cfg.Name)
		if c.log, err = newAccessLog(c.cfg.Name, *c.cfg.AccessLog, stateFile, log); err != nil {
			return nil, fmt.Errorf("api target %q: access_log: %w", c.cfg.Name, err)
		}
	}
	return c, nil
}

// Parts implements collector.Collector.
func (c *Collector) Parts() []collector.Part {
	return slices.DeleteFunc(Parts(), func(p collector.Part) bool { return p.Name == PartAccessLog && c.log == nil })
}

// Run implements collector.Runner.
func (c *Collector) Run(ctx context.Context) error {
	if c.log == nil {
		<-ctx.Done()
		return nil
	}
	return c.log.tail.Run(ctx)
}

// Collect implements collector.Collector. The log comes first: it takes no time, and a target that hangs takes all of it.
func (c *Collector) Collect(ctx context.Context, w *collector.Writer) error {
	if c.log != nil {
		w.Part(PartAccessLog, func() error { return c.log.collect(ctx, w) })
	}
	w.Part(PartProbe, func() error { return c.collectProbes(ctx, w) })
	return nil
}

func (c *Collector) collectProbes(ctx context.Context, w *collector.Writer) error {
	opts, err := c.cfg.options()
	if err != nil {
		return err
	}
	type answer struct {
		res Result
		age time.Duration
		err error
	}
	answers := make([]answer, len(opts))
	var wg sync.WaitGroup
	for i, p := range c.probes {
		wg.Go(func() {
			a := &answers[i]
			a.res, a.age, a.err = p.get(ctx, opts[i])
		})
	}
	wg.Wait()
	var errs []error
	for i, a := range answers {
		if a.err != nil {
			errs = append(errs, fmt.Errorf("probe %q: %w", opts[i].Name, a.err))
			continue
		}
		targetProbes.record(w, a.res, opts[i].Name)
		w.Add(targetProbes.age, a.age.Seconds(), opts[i].Name)
	}
	return errors.Join(errs...)
}
