package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/chronoops/chronoops/collector"
)

// onMetricsLabel marks what /metrics shows too, for the relabelling of the shipped Prometheus configuration.
const onMetricsLabel = "__meta_chronoops_on_metrics"

// exposition is what is scraped: one Set for /metrics and one for each target.
type exposition struct {
	metrics   *collector.Set
	probes    map[string]*collector.Set
	known     []collector.Announcement
	fleets    []target // whose servers are found at run time
	selection selection
	log       *slog.Logger
}

// probe returns the set of one target.
func (e *exposition) probe(unit *collector.Unit) (*collector.Set, error) {
	one := []*collector.Unit{unit}
	chosen, err := e.selection.of(one)
	if err != nil {
		return nil, err
	}
	return collector.NewSet(one, collector.SetOptions{Selection: chosen, LegacyNames: e.selection.legacyNames, Logger: e.log})
}

// lookup returns the set of a target, or of a server that was found for one; nil if there is none of the name.
func (e *exposition) lookup(ctx context.Context, name string) *collector.Set {
	if set, ok := e.probes[name]; ok {
		return set
	}
	owner, _, _ := strings.Cut(name, "@")
	for _, t := range e.fleets {
		if t.name == owner {
			return t.fleet.Lookup(ctx, name, e.probe)
		}
	}
	return nil
}

// announcements lists the targets for /sd, with the servers that were found for them. A target that is itself one of
// its servers is listed as that one only.
func (e *exposition) announcements(ctx context.Context) []collector.Announcement {
	list := slices.Clone(e.known)
	found := make([][]collector.Announcement, len(e.fleets))
	itself := make([]string, len(e.fleets))
	var wg sync.WaitGroup
	for i, t := range e.fleets {
		wg.Go(func() { found[i], itself[i] = t.fleet.Announcements(ctx) })
	}
	wg.Wait()
	for i, t := range e.fleets {
		if itself[i] != "" {
			list = slices.DeleteFunc(list, func(a collector.Announcement) bool { return a.Name == t.name })
		}
		for _, a := range found[i] {
			if a.Name == itself[i] && t.onMetrics {
				if a.Labels = maps.Clone(a.Labels); a.Labels == nil {
					a.Labels = map[string]string{}
				}
				a.Labels[onMetricsLabel] = "true"
			}
			list = append(list, a)
		}
	}
	return list
}

// findMembers gives the target a fleet if its collector finds servers at run time.
func (t *target) findMembers(built collector.Collector, log *slog.Logger) {
	finder, ok := built.(interface{ Finder() collector.Finder })
	if !ok || finder.Finder() == nil {
		return
	}
	t.fleet = collector.NewFleet(collector.FleetOptions{Target: t.name, Kind: t.kind, Finder: finder.Finder(), Report: reports[t.kind], Logger: log})
	closeTarget := t.close
	t.close = func() {
		t.fleet.Close()
		closeTarget()
	}
}
