package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// side is the programs of one side of a contest, and what they cost together for a scrape of each.
type side struct {
	contenders []*contender
	started    []time.Duration // processor time when counting began
	took       []time.Duration
	plain, zip float64
	Measured
}

// begin notes the processor time used so far.
func (s *side) begin() error {
	s.started = nil
	for _, c := range s.contenders {
		used, err := cpuTime(c.server.PID())
		if err != nil {
			return err
		}
		s.started = append(s.started, used)
	}
	return nil
}

// cpu is the processor time used since begin.
func (s *side) cpu() (time.Duration, error) {
	var sum time.Duration
	for i, c := range s.contenders {
		used, err := cpuTime(c.server.PID())
		if err != nil {
			return 0, err
		}
		sum += used - s.started[i]
	}
	return sum, nil
}

// scrape scrapes each program once.
func (s *side) scrape(ctx context.Context) ([]answer, error) {
	var all []answer
	for _, c := range s.contenders {
		a, err := c.scrape(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// turn is a scrape that counts. The sizes kept are those of the last one.
func (s *side) turn(ctx context.Context) error {
	all, err := s.scrape(ctx)
	if err != nil {
		return err
	}
	var took time.Duration
	s.plain, s.zip = 0, 0
	for i, a := range all {
		took += a.took
		text, err := a.plain()
		if err != nil {
			return fmt.Errorf("%s: %w", s.contenders[i].name, err)
		}
		s.plain += float64(len(text))
		s.zip += float64(len(a.body))
	}
	s.took = append(s.took, took)
	return nil
}

func (s *side) memory() error {
	for _, c := range s.contenders {
		m, err := memoryOf(c.server.PID())
		if err != nil {
			return err
		}
		s.Values["rss"] += m.rss
		s.Values["anonymous"] += m.anonymous
	}
	return nil
}

// trace scrapes n times more, and counts system calls and what the target counts. Without strace the calls are absent.
func (s *side) trace(ctx context.Context, n int, counters []counter) error {
	var all, opens float64
	counted := true
	before := make([]float64, len(counters))
	for i, c := range counters {
		var err error
		if before[i], err = c.read(ctx); err != nil {
			return err
		}
	}
	for _, c := range s.contenders {
		var failed error
		scrapes := func() error {
			for range n {
				if _, failed = c.scrape(ctx); failed != nil {
					return failed
				}
			}
			return nil
		}
		found, err := trace(ctx, c.server.PID(), scrapes)
		switch {
		case failed != nil:
			return failed
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			counted = false
			s.Notes = append(s.Notes, fmt.Sprintf("system calls of %s: %v", c.name, err))
			if err := scrapes(); err != nil { // for the target's counters
				return err
			}
		}
		all += found.all
		opens += found.opens
	}
	if counted {
		s.Values["syscalls"], s.Values["opens"] = all/float64(n), opens/float64(n)
	}
	for i, c := range counters {
		after, err := c.read(ctx)
		if err != nil {
			return err
		}
		s.Values[c.name] = (after - before[i]) / float64(n)
	}
	return nil
}

// families asks each program once more, in the plain text format.
func (s *side) families(ctx context.Context) error {
	found := make(map[string]string)
	for _, c := range s.contenders {
		x, err := c.families(ctx)
		if err != nil {
			return err
		}
		s.Programs = append(s.Programs, c.name+" "+c.version(ctx))
		for _, e := range x.Families() {
			s.Values["series"] += float64(len(e.Series))
			if _, ok := found[e.Name]; !ok {
				found[e.Name] = e.Interface()
				s.Families = append(s.Families, e.Interface())
			}
		}
	}
	s.Values["families"] = float64(len(found))
	slices.Sort(s.Families)
	return nil
}

func (s *side) stop() error {
	var errs []error
	for _, c := range s.contenders {
		errs = append(errs, c.server.Stop())
	}
	return errors.Join(errs...)
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
