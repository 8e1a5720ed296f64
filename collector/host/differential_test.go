package host

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path"
	"slices"
	"testing"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

// exempt are patterns of names that node_exporter alone has, or we alone, and why.
var exempt = []struct{ pattern, reason string }{
	{"go_*", "the process's own, from the same library"},
	{"process_*", "the process's own, from the same library"},
	{"promhttp_*", "of its HTTP handler"},
	{"node_exporter_build_info", "chronoops_build_info"},
	{"node_scrape_collector_*", "chronoops_scrape_collector_*, of the scrape rather than of a collector"},
}

// moves are patterns of names whose values change between two scrapes of a machine made of files. Their series and
// types are compared all the same.
var moves = []string{
	"node_time_seconds", "node_timex_*", // the running kernel's
	"node_filesystem_free_bytes", "node_filesystem_avail_bytes", "node_filesystem_files_free", // of the disk that the files are on
}

// netlinkOnly are families that node_exporter has by netlink, and not from files.
var netlinkOnly = map[string]bool{"node_network_receive_nohandler_total": true}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

func exempted(name string) bool {
	var patterns []string
	for _, e := range exempt {
		patterns = append(patterns, e.pattern)
	}
	return matches(patterns, name)
}

// hostCollectors returns what a program has of this package's collectors.
func hostCollectors(t *testing.T, o Options) []collector.Collector {
	t.Helper()
	sources, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var cs []collector.Collector
	for _, source := range sources {
		t.Cleanup(source.Collector.Close)
		cs = append(cs, source.Collector)
	}
	return cs
}

// ours scrapes the parts that are on by default.
func ours(t *testing.T, cs []collector.Collector) collectortest.Exposition {
	t.Helper()
	all := make(collectortest.Exposition)
	for _, c := range cs {
		var parts []string
		for _, p := range c.Parts() {
			if p.Default {
				parts = append(parts, p.Name)
			}
		}
		text, _ := collectortest.Scrape(t, c, parts...)
		maps.Copy(all, parse(t, text))
	}
	maps.DeleteFunc(all, func(name string, _ *collectortest.Exposed) bool { return exempted(name) })
	return all
}

func theirs(t *testing.T, scrape func() string) collectortest.Exposition {
	t.Helper()
	all := parse(t, scrape())
	maps.DeleteFunc(all, func(name string, _ *collectortest.Exposed) bool { return exempted(name) })
	return all
}

func parse(t *testing.T, text string) collectortest.Exposition {
	t.Helper()
	x, err := collectortest.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// same allows for the order of a multiplication and a division.
func same(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-12*math.Max(math.Abs(a), math.Abs(b))
}

// TestMadeUpMachine holds us against node_exporter on a machine of files: the same families with the same labels and
// types, the same series, the same values.
func TestMadeUpMachine(t *testing.T) {
	paths, err := hosttest.Small(hosttest.Dir(t))
	if err != nil {
		t.Fatal(err)
	}
	got := ours(t, hostCollectors(t, optionsOver(paths)))
	want := theirs(t, hosttest.NodeExporter(t, paths.Flags()...))

	for _, w := range want.Families() {
		g := got[w.Name]
		switch {
		case g == nil:
			t.Errorf("missing: %s", w.Interface())
		case g.Interface() != w.Interface():
			t.Errorf("we have %s, node_exporter %s", g.Interface(), w.Interface())
		default:
			for _, difference := range differences(g.Series, w.Series, !matches(moves, w.Name)) {
				t.Error(difference)
			}
		}
	}
	for _, g := range got.Families() {
		if want[g.Name] == nil && !more[g.Name] && !netlinkOnly[g.Name] {
			t.Errorf("node_exporter has no %s", g.Interface())
		}
	}
}

// differences compares the series of a family, and their values if these are to be alike.
func differences(ours, theirs map[string]float64, values bool) []string {
	var found []string
	for _, key := range slices.Sorted(maps.Keys(theirs)) {
		got, ok := ours[key]
		if !ok {
			found = append(found, "missing: "+key)
		} else if values && !same(got, theirs[key]) {
			found = append(found, fmt.Sprintf("%s is %v, node_exporter has %v", key, got, theirs[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(ours)) {
		if _, ok := theirs[key]; !ok {
			found = append(found, "node_exporter has no "+key)
		}
	}
	return found
}

// TestThisHostAsNodeExporter holds us against node_exporter on the machine that the test runs on. We are scraped
// between two scrapes of it: what it says twice we must say too, and what changes must lie between. A value that does
// not, for it went up and down, is looked at again, so that only what is always wrong fails.
func TestThisHostAsNodeExporter(t *testing.T) {
	const rounds = 100
	collectors := hostCollectors(t, Defaults())
	scrape := hosttest.NodeExporter(t)
	var open map[string]string // what is wrong with a series, or a family, in every round
	for range rounds {
		before, got, after := theirs(t, scrape), ours(t, collectors), theirs(t, scrape)
		now := between(before, got, after)
		if open == nil {
			open = now
		}
		maps.DeleteFunc(open, func(key, _ string) bool { return now[key] == "" })
		if len(open) == 0 {
			return
		}
	}
	for _, key := range slices.Sorted(maps.Keys(open)) {
		t.Error(open[key])
	}
}

// TestSuccessAsNodeExporter: alerts on node_scrape_collector_success go on as they did, on this host and on one that
// has nothing.
func TestSuccessAsNodeExporter(t *testing.T) {
	dir := hosttest.Dir(t)
	nothing := hosttest.Paths{Proc: dir + "/proc", Sys: dir + "/sys", Root: dir + "/root", Udev: dir + "/udev", Textfile: dir + "/textfile"}
	for _, path := range []string{nothing.Proc, nothing.Sys, nothing.Root, nothing.Udev, nothing.Textfile} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Without either file node_exporter succeeds, with neither sockets nor a network.
	except := map[string]string{"nothing": "sockstat"}
	optional := []string{"buddyinfo", "cgroups", "cpu_vulnerabilities", "interrupts", "ksmd", "meminfo_numa", "processes", "slabinfo", "softirqs", "zoneinfo"}
	for name, test := range map[string]struct {
		o     Options
		flags []string
	}{
		"this host": {Defaults(), nil},
		"nothing":   {optionsOver(nothing), nothing.Flags()},
	} {
		for _, part := range optional {
			test.flags = append(test.flags, "--collector."+part)
		}
		theirs := parse(t, hosttest.NodeExporter(t, test.flags...)())["node_scrape_collector_success"]
		for _, c := range hostCollectors(t, test.o) {
			var parts []string
			for _, p := range c.Parts() {
				if p.Default || slices.Contains(optional, p.Name) {
					parts = append(parts, p.Name)
				}
			}
			if len(parts) == 0 {
				continue
			}
			_, success := collectortest.Scrape(t, c, parts...)
			for part, ok := range success {
				want, known := theirs.Series[`node_scrape_collector_success{collector="`+part+`"}`]
				if part != except[name] && (!known || bool01(ok) != want) {
					t.Errorf("%s: success of %s is %v, node_exporter has %v", name, part, ok, want)
				}
			}
		}
	}
}

func optionsOver(paths hosttest.Paths) Options {
	o := Defaults()
	o.ProcFS, o.SysFS, o.RootFS, o.UdevData = paths.Proc, paths.Sys, paths.Root, paths.Udev
	o.TextfileDirs = []string{paths.Textfile}
	return o
}

// between returns what is wrong, by series or name of the family.
func between(before, got, after collectortest.Exposition) map[string]string {
	wrong := make(map[string]string)
	for name, b := range before {
		a, g := after[name], got[name]
		switch {
		case a == nil:
			continue
		case g == nil:
			wrong[name] = "missing: " + b.Interface()
			continue
		case g.Interface() != b.Interface() && g.Interface() != a.Interface():
			wrong[name] = fmt.Sprintf("we have %s, node_exporter %s", g.Interface(), b.Interface())
			continue
		}
		for key, low := range b.Series {
			high, ok := a.Series[key]
			if !ok {
				continue
			}
			v, ok := g.Series[key]
			low, high := min(low, high), max(low, high)
			switch {
			case !ok:
				wrong[key] = "missing: " + key
			case !same(v, low) && !same(v, high) && (v < low || v > high):
				wrong[key] = fmt.Sprintf("%s is %v, node_exporter has %v to %v", key, v, low, high)
			}
		}
		for key := range g.Series {
			_, first := b.Series[key]
			_, second := a.Series[key]
			if !first && !second {
				wrong[key] = "node_exporter has no " + key
			}
		}
	}
	for name, g := range got {
		if before[name] == nil && after[name] == nil && !more[name] {
			wrong[name] = "node_exporter has no " + g.Interface()
		}
	}
	return wrong
}
