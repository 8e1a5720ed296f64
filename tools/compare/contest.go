package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// contest compares programs on one target.
type contest struct {
	name, about string
	large       bool // a quarter of the scrapes
	rests       bool // one more scrape after a minute's rest
	setUp       func(ctx context.Context, a *arena) (entries, error)
}

// entries are the programs of a contest.
type entries struct {
	theirs, ours []entry
	counters     []counter // of the target's side
}

// entry is a program to be measured and how it is started.
type entry struct {
	name  string // node_exporter, …, chronoops
	args  []string
	env   []string
	files map[string]string
	path  string // what is scraped; empty: /metrics
}

var contests = []contest{
	{
		name: "host", rests: true, about: "This host, each with its default collectors.",
		setUp: func(context.Context, *arena) (entries, error) {
			return entries{theirs: []entry{nodeExporter()}, ours: []entry{chronoops()}}, nil
		},
	},
	{
		name: "host-equal", rests: true, about: "This host, with the collectors that both have, and without the metrics of the exporter itself.",
		setUp: func(ctx context.Context, a *arena) (entries, error) {
			both, err := a.commonParts(ctx)
			if err != nil {
				return entries{}, err
			}
			args := []string{"--web.disable-exporter-metrics", "--collector.disable-defaults"}
			for _, name := range both {
				args = append(args, "--collector."+name)
			}
			return entries{theirs: []entry{nodeExporter(args...)}, ours: []entry{chronoops(args...)}}, nil
		},
	},
	{
		name: "large-host", large: true, rests: true,
		about: "The files of a made-up machine with 256 CPUs, 200 disks, 500 network interfaces and 2,000 mounts; plain files, so that reading costs less than of a kernel, for both.",
		setUp: func(_ context.Context, a *arena) (entries, error) {
			flags, err := a.largeHost()
			if err != nil {
				return entries{}, err
			}
			return entries{theirs: []entry{nodeExporter(flags...)}, ours: []entry{chronoops(flags...)}}, nil
		},
	},
	{
		name: "postgres", about: "PostgreSQL with three databases and 60 tables; chronoops without its host collectors.",
		setUp: func(ctx context.Context, a *arena) (entries, error) { return a.apart(ctx, postgresRival) },
	},
	{
		name: "redis", about: "Redis with 1,000 keys in two databases; chronoops without its host collectors.",
		setUp: func(ctx context.Context, a *arena) (entries, error) { return a.apart(ctx, redisRival) },
	},
	{
		name: "api", about: "One HTTP probe, made in every scrape; chronoops without its host collectors.",
		setUp: func(ctx context.Context, a *arena) (entries, error) { return a.apart(ctx, apiRival) },
	},
	{
		name: "all", about: "All of that at once: four exporters against one chronoops. Their figures are sums.",
		setUp: func(ctx context.Context, a *arena) (entries, error) {
			e := entries{theirs: []entry{nodeExporter()}}
			one := chronoops()
			for _, start := range []rivalry{postgresRival, redisRival, apiRival} {
				r, err := start(ctx, a)
				if err != nil {
					return entries{}, err
				}
				e.theirs = append(e.theirs, r.theirs)
				e.counters = append(e.counters, r.counters...)
				one = merge(one, r.ours)
			}
			e.ours = []entry{one}
			return e, nil
		},
	},
}

func nodeExporter(args ...string) entry {
	return entry{name: "node_exporter", args: append([]string{"--web.listen-address=127.0.0.1:@PORT@"}, args...)}
}

func chronoops(args ...string) entry {
	return entry{name: "chronoops", args: append([]string{"serve", "--no-receiver", "--web.listen-address=127.0.0.1:@PORT@"}, args...)}
}

// merge adds the target that more has; it is scraped with the others.
func merge(e, more entry) entry {
	e.args = append(slices.Clone(e.args), more.args...)
	e.env = append(slices.Clone(e.env), more.env...)
	files := maps.Clone(e.files)
	if files == nil {
		files = make(map[string]string)
	}
	maps.Copy(files, more.files)
	e.files = files
	return e
}

// rivalry is an exporter of one kind of target, and what makes chronoops watch the same. Its ours is merged into chronoops.
type rivalry func(ctx context.Context, a *arena) (rival, error)

type rival struct {
	theirs, ours entry
	counters     []counter
}

// apart sets a rival against a chronoops that watches nothing else.
func (a *arena) apart(ctx context.Context, start rivalry) (entries, error) {
	r, err := start(ctx, a)
	if err != nil {
		return entries{}, err
	}
	parts, err := a.parts(ctx, chronoops(), "chronoops_scrape_collector_success")
	if err != nil {
		return entries{}, err
	}
	var without []string
	for _, name := range parts {
		without = append(without, "--no-collector."+name)
	}
	one := merge(chronoops(without...), r.ours)
	one.path = r.ours.path
	return entries{theirs: []entry{r.theirs}, ours: []entry{one}, counters: r.counters}, nil
}

// commonParts returns the collectors of the host that both programs have by default.
func (a *arena) commonParts(ctx context.Context) ([]string, error) {
	ours, err := a.parts(ctx, chronoops(), "chronoops_scrape_collector_success")
	if err != nil {
		return nil, err
	}
	theirs, err := a.parts(ctx, nodeExporter(), "node_scrape_collector_success")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(ours, func(name string) bool { return !slices.Contains(theirs, name) }), nil
}

// parts starts a program for one scrape, and returns the collectors that it names in a family.
func (a *arena) parts(ctx context.Context, e entry, family string) (names []string, err error) {
	c, err := a.start(ctx, e)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.server.Stop()) }()
	x, err := c.families(ctx)
	if err != nil {
		return nil, err
	}
	if x[family] == nil {
		return nil, fmt.Errorf("%s has no %s", e.name, family)
	}
	for key := range x[family].Series {
		_, rest, _ := strings.Cut(key, `collector="`)
		name, _, _ := strings.Cut(rest, `"`)
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}
