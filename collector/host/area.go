package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/chronoops/chronoops/collector"
)

// area is one part of the host: what it declares, and how it is read.
type area struct {
	name     string
	optIn    bool // off unless asked for
	families []*collector.Family

	// open prepares reading; it opens no files. An error is about the options.
	open func(s *sources) (reader, error)
}

// reader records an area's samples. The readers of a Group are called one after the other.
type reader func(w *collector.Writer) error

func (a area) part() collector.Part {
	return collector.Part{Name: a.name, Default: !a.optIn, Families: a.families}
}

// Group reads some areas of the host, one after the other.
type Group struct {
	s       *sources
	parts   []collector.Part
	readers []reader // by index of parts
}

func newGroup(s *sources, areas []area) (*Group, error) {
	g := &Group{s: s, parts: partsOf(areas)}
	for _, a := range areas {
		r, err := a.open(s)
		if err != nil {
			return nil, fmt.Errorf("collector %s: %w", a.name, err)
		}
		g.readers = append(g.readers, r)
	}
	return g, nil
}

func partsOf(areas []area) []collector.Part {
	parts := make([]collector.Part, len(areas))
	for i, a := range areas {
		parts[i] = a.part()
	}
	return parts
}

// Parts implements collector.Collector.
func (g *Group) Parts() []collector.Part { return g.parts }

// Collect implements collector.Collector. Files that do not exist mean that the host has nothing of that kind. Areas that
// there is no time for fail.
func (g *Group) Collect(ctx context.Context, w *collector.Writer) error {
	g.s.round++
	for i, p := range g.parts {
		if err := ctx.Err(); err != nil && w.Selected(p.Name) {
			return fmt.Errorf("no time for %s and what comes after it: %w", p.Name, err)
		}
		w.Part(p.Name, func() error {
			err := g.readers[i](w)
			if isMissing(err) && !errors.Is(err, collector.ErrNoData) {
				return fmt.Errorf("%w: %w", collector.ErrNoData, err)
			}
			return err
		})
	}
	return nil
}

// Close closes the files and sockets kept open; a later collection opens them again.
func (g *Group) Close() {
	for _, f := range g.s.kept {
		f.close()
	}
	for _, n := range g.s.sockets {
		n.close()
	}
}

// gauge, counter and untyped declare families with one line each.
func gauge(name, help string, labels ...string) *collector.Family {
	return &collector.Family{Name: name, Help: help, Type: collector.Gauge, Labels: labels}
}

func counter(name, help string, labels ...string) *collector.Family {
	return &collector.Family{Name: name, Help: help, Type: collector.Counter, Labels: labels}
}

func untyped(name, help string, labels ...string) *collector.Family {
	return &collector.Family{Name: name, Help: help, Type: collector.Untyped, Labels: labels}
}

// families joins lists of declarations.
func families(lists ...[]*collector.Family) []*collector.Family { return slices.Concat(lists...) }

func bool01(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
