package main

import (
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	"github.com/chronoops/chronoops/collector"
	apicollector "github.com/chronoops/chronoops/collector/api"
	"github.com/chronoops/chronoops/collector/host"
	pgcollector "github.com/chronoops/chronoops/collector/postgres"
	rediscollector "github.com/chronoops/chronoops/collector/redis"
)

// target is one collector with the configuration that it was made for.
type target struct {
	kind, name string
	config     any
	onMetrics  bool
	unit       *collector.Unit
	runner     collector.Runner // nil for most
	close      func()           // nil for some
	fleet      *collector.Fleet // of a target whose servers are found at run time
}

func (t target) key() string { return t.kind + "/" + t.name }

// wanted is a target as configured.
type wanted struct {
	target
	build func() (collector.Collector, func(), error)
}

// wanted lists the targets of a configuration; nothing is built yet.
func (c *config) wanted(stateDir string, log *slog.Logger) (list []wanted) {
	for _, p := range c.Targets.Postgres {
		list = append(list, wanted{
			target{kind: "postgres", name: p.Name, config: p, onMetrics: p.OnMetrics || len(c.Targets.Postgres) == 1},
			func() (collector.Collector, func(), error) {
				built, err := pgcollector.New(pgcollector.Options{Config: p})
				return built, built.Close, err
			},
		})
	}
	for _, r := range c.Targets.Redis {
		list = append(list, wanted{
			target{kind: "redis", name: r.Name, config: r, onMetrics: r.OnMetrics || len(c.Targets.Redis) == 1},
			func() (collector.Collector, func(), error) {
				built, err := rediscollector.New(rediscollector.Options{Config: r})
				return built, built.Close, err
			},
		})
	}
	for _, a := range c.Targets.API {
		list = append(list, wanted{
			target{kind: "api", name: a.Name, config: a, onMetrics: a.OnMetrics || len(c.Targets.API) == 1},
			func() (collector.Collector, func(), error) {
				built, err := apicollector.New(apicollector.Options{Config: a, StateDir: stateDir, Logger: log})
				return built, nil, err
			},
		})
	}
	return list
}

// targets builds the collectors of a configuration. Those of a previous one whose configuration is the same are kept,
// with their counters and connections. With an error come those that were built already. A variable of the environment
// that names no usable target costs that target only: other programs may have set it.
func (c *config) targets(previous []target, stateDir string, log *slog.Logger) (list []target, ignored []error, err error) {
	for _, w := range c.wanted(stateDir, log) {
		t := w.target
		if i := slices.IndexFunc(previous, func(p target) bool { return p.key() == t.key() && reflect.DeepEqual(p.config, t.config) }); i >= 0 {
			t.unit, t.runner, t.close, t.fleet = previous[i].unit, previous[i].runner, previous[i].close, previous[i].fleet
			list = append(list, t)
			continue
		}
		built, closer, err := w.build()
		if variable, ok := c.environment[t.name]; ok && err != nil {
			ignored = append(ignored, fmt.Errorf("environment variable %s: %w", variable, err))
			continue
		}
		if err != nil {
			return list, ignored, fmt.Errorf("target %s: %w", t.key(), err)
		}
		t.unit, t.close = collector.NewUnit(t.key(), built, log).ReportAs(reports[t.kind]), closer
		t.runner, _ = built.(collector.Runner)
		t.findMembers(built, log)
		list = append(list, t)
	}
	return list, ignored, nil
}

// closeUnused closes the targets of old that are not in use any more.
func closeUnused(old, inUse []target) {
	for _, t := range old {
		if t.close != nil && !slices.ContainsFunc(inUse, func(u target) bool { return u.unit == t.unit }) {
			t.close()
		}
	}
}

// reports are the names under which exporters report their collectors' success, by the kind of target.
var reports = map[string]*collector.ReportFamilies{"host": collector.NewReportFamilies("node"), "postgres": collector.NewReportFamilies("pg")}

// hostUnits are the host's collectors, which live as long as the process.
type hostUnits []*collector.Unit

func newHostUnits(o host.Options, log *slog.Logger) (hostUnits, error) {
	o.Logger = log
	sources, err := host.New(o)
	if err != nil {
		return nil, err
	}
	var units hostUnits
	for _, source := range sources {
		units = append(units, collector.NewUnit(source.Name, source.Collector, log))
	}
	return units, nil
}

// selection is what the flags say about parts and their names.
type selection struct {
	disableDefaults bool
	explicit        map[string]bool
	legacyNames     bool
}

// any reports whether a part of the units is on.
func (s selection) any(units []*collector.Unit) bool {
	chosen, err := s.of(units)
	return err == nil && slices.ContainsFunc(units, func(u *collector.Unit) bool { return slices.ContainsFunc(u.Parts(), chosen.Enabled) })
}

func (s selection) of(units []*collector.Unit) (collector.Selection, error) {
	var parts []collector.Part
	explicit := map[string]bool{}
	for _, u := range units {
		for _, p := range u.Parts() {
			parts = append(parts, p)
			if on, ok := s.explicit[p.Name]; ok {
				explicit[p.Name] = on
			}
		}
	}
	return collector.NewSelection(parts, s.disableDefaults, explicit)
}

func newExposition(units hostUnits, targets []target, own []*collector.Unit, s selection, log *slog.Logger) (*exposition, error) {
	e := &exposition{probes: map[string]*collector.Set{}, selection: s, log: log}
	onMetrics := slices.Clone([]*collector.Unit(units))
	for _, t := range targets {
		if t.onMetrics {
			onMetrics = append(onMetrics, t.unit)
		}
		var err error
		if e.probes[t.name], err = e.probe(t.unit); err != nil {
			return nil, fmt.Errorf("target %s: %w", t.key(), err)
		}
		if t.fleet != nil {
			e.fleets = append(e.fleets, t)
		}
		announced := collector.Announcement{Name: t.name, Kind: t.kind}
		if t.onMetrics {
			// The shipped Prometheus configuration leaves it out there, so that its alerts do not come twice.
			announced.Labels = map[string]string{onMetricsLabel: "true"}
		}
		e.known = append(e.known, announced)
	}
	chosen, err := s.of(onMetrics)
	if err != nil {
		return nil, err
	}
	e.metrics, err = collector.NewSet(onMetrics, collector.SetOptions{Selection: chosen, Own: own, LegacyNames: s.legacyNames, Logger: log})
	return e, err
}
