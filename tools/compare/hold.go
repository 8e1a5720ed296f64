package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	warmUp     = 5                // scrapes before anything is counted
	traced     = 20               // scrapes while system calls are counted
	idleAtMost = 10 * time.Second // the time that idleness is watched for
	rest       = 61 * time.Second // after which what is done once a minute has to be done
	settle     = time.Second      // for what a program still does after it has answered
)

// counter reads what the target has counted so far, e.g. statements. Figures are per scrape when they are shown.
type counter struct {
	name string
	read func(ctx context.Context) (float64, error)
}

// Measured is what a side costs per scrape of each of its programs. What could not be measured is absent.
type Measured struct {
	Programs []string           `json:"programs"` // with versions
	Values   map[string]float64 `json:"values"`   // by the name of a metric
	Families []string           `json:"families"` // name{labels} type
	Notes    []string           `json:"notes,omitempty"`
}

// hold holds a contest.
func (a *arena) hold(ctx context.Context, c contest) (result Contest, err error) {
	fmt.Fprintf(a.log, "%s: %s\n", c.name, c.about)
	e, err := c.setUp(ctx, a)
	if err != nil {
		return Contest{}, err
	}
	sides := make([]*side, 2)
	defer func() {
		for _, s := range sides {
			if s != nil {
				err = errors.Join(err, s.stop())
			}
		}
	}()
	for i, es := range [][]entry{e.theirs, e.ours} {
		sides[i] = &side{Measured: Measured{Values: make(map[string]float64)}}
		for _, entry := range es {
			p, err := a.start(ctx, entry)
			if err != nil {
				return Contest{}, err
			}
			sides[i].contenders = append(sides[i].contenders, p)
		}
	}
	n := a.scrapes
	traces := traced
	if c.large {
		n, traces = max(1, n/4), traced/10
	}
	if err := race(ctx, sides, n); err != nil {
		return Contest{}, err
	}
	for _, s := range sides {
		if err := s.memory(); err != nil {
			return Contest{}, err
		}
	}
	if c.rests {
		if err := afterRest(ctx, sides, rest); err != nil {
			return Contest{}, err
		}
	}
	for _, s := range sides {
		if err := s.trace(ctx, traces, e.counters); err != nil {
			return Contest{}, err
		}
		if err := s.families(ctx); err != nil {
			return Contest{}, err
		}
	}
	return judge(c, n, sides[0].Measured, sides[1].Measured), nil
}

// race scrapes the sides in turn, then leaves them alone for as long.
func race(ctx context.Context, sides []*side, n int) error {
	for range warmUp {
		for _, s := range sides {
			if _, err := s.scrape(ctx); err != nil {
				return err
			}
		}
	}
	for _, s := range sides {
		if err := s.begin(); err != nil {
			return err
		}
	}
	start := time.Now()
	for range n {
		for _, s := range sides {
			if err := s.turn(ctx); err != nil {
				return err
			}
		}
	}
	lasted := time.Since(start)
	for _, s := range sides {
		busy, err := s.cpu()
		if err != nil {
			return err
		}
		s.Values["cpu_gross"] = busy.Seconds() / float64(n)
	}

	for _, s := range sides {
		if err := s.begin(); err != nil {
			return err
		}
	}
	idle := min(lasted, idleAtMost)
	if err := wait(ctx, idle); err != nil {
		return err
	}
	for _, s := range sides {
		used, err := s.cpu()
		if err != nil {
			return err
		}
		s.Values["cpu_idle"] = used.Seconds() / idle.Seconds() * lasted.Seconds() / float64(n)
		s.Values["cpu"] = s.Values["cpu_gross"] - s.Values["cpu_idle"]
		s.Values["wall"] = median(s.took).Seconds()
		s.Values["bytes"], s.Values["bytes_gzip"] = s.plain, s.zip
	}
	return nil
}

// afterRest leaves the sides alone for a while, and then scrapes each once.
func afterRest(ctx context.Context, sides []*side, rest time.Duration) error {
	if err := wait(ctx, rest); err != nil {
		return err
	}
	for _, s := range sides {
		if err := s.begin(); err != nil {
			return err
		}
		if _, err := s.scrape(ctx); err != nil {
			return err
		}
		if err := wait(ctx, settle); err != nil {
			return err
		}
		used, err := s.cpu()
		if err != nil {
			return err
		}
		s.Values["cpu_rested"] = used.Seconds()
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
