package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/receiver/engine"
	"github.com/chronoops/chronoops/receiver/intake"
)

const generated = "<!-- Written by `make generate`; a test holds it to the program. -->\n"

// TestMetricReference holds docs/metrics.md to the declarations of the families and to what the program registers.
func TestMetricReference(t *testing.T) {
	var b strings.Builder
	b.WriteString(generated + `
# Metrics

Names, types and labels of ` + "`node_*`, `pg_*`, `redis_*` and `probe_*`" + ` are those of node_exporter, postgres_exporter, redis_exporter and
blackbox_exporter. A name listed here is an interface: it changes only with an entry in the [changelog](../CHANGELOG.md).
` + "`GET /metrics?collect[]=PART`" + ` asks for some parts, ` + "`exclude[]=PART`" + ` for all but some; ` + "`--[no-]collector.PART`" + ` switches a part on or off.

Names that a server or the kernel makes up are not all listed: each line of /proc/meminfo becomes ` + "`node_memory_*`" + `, each setting that is a
number or a switch ` + "`pg_settings_*`" + `. With ` + "`go_*` and `process_*`" + ` come client_golang's metrics of the program itself.
`)
	for _, k := range kindsOfTargets() {
		fmt.Fprintf(&b, "\n## %s\n", k.name)
		for _, p := range k.parts {
			on := "On by default."
			if !p.Default {
				on = "Off by default."
			}
			fmt.Fprintf(&b, "\n### %s\n\n%s\n\n%s", p.Name, on, metricHeader)
			for _, f := range p.Families {
				b.WriteString(familyRow(f))
			}
		}
		if r := reports[k.name]; r != nil {
			fmt.Fprintf(&b, "\n### Scrape of %s\n\nWith each of the parts above.\n\n%s%s%s", k.name, metricHeader, familyRow(r.Duration), familyRow(r.Success))
		}
	}
	fmt.Fprintf(&b, "\n## chronoops itself\n\nAlways there, but `promhttp_*` not with `--web.disable-exporter-metrics`, `node_exporter_build_info` not without the host, and those of the\nreceiver with a receiver.\n\n%s", metricHeader)
	for _, f := range []*collector.Family{collector.ScrapeDuration, collector.ScrapeSuccess, collector.ScrapeNoData, collector.ScrapeDuplicates} {
		b.WriteString(familyRow(f))
	}
	for _, m := range registered(t) {
		b.WriteString(m)
	}
	compareDoc(t, "docs/metrics.md", b.String())
}

const metricHeader = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n"

func familyRow(f *collector.Family) string {
	help := f.Help
	if f.Legacy != "" {
		help += " With `--compat.legacy-names` as `" + f.Legacy + "` too."
	}
	return metricRow(f.Name, f.Type.String(), f.Labels, help)
}

func metricRow(name, kind string, labels []string, help string) string {
	return markdownRow(code(name), kind, code(labels...), help)
}

// recorder is a registry that remembers what is registered: a metric with labels shows itself only once it is used.
type recorder struct {
	*prometheus.Registry
	collectors []prometheus.Collector
}

func (r *recorder) MustRegister(cs ...prometheus.Collector) {
	r.Registry.MustRegister(cs...)
	r.collectors = append(r.collectors, cs...)
}

var (
	description = regexp.MustCompile(`^Desc{fqName: "([^"]+)", help: "(.*?)"(?:, unit: "[^"]*")?, constLabels: {(.*)}, variableLabels: {([^}]*)}`)
	constLabel  = regexp.MustCompile(`(\w+)="`)
)

// typeOf asks a metric for its value: its Go type does not tell a gauge from a counter.
func typeOf(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	switch c := c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.GaugeVec:
		return "gauge"
	case *prometheus.HistogramVec:
		return "histogram"
	case prometheus.Metric:
		var m dto.Metric
		if err := c.Write(&m); err != nil {
			t.Fatal(err)
		}
		switch {
		case m.Counter != nil:
			return "counter"
		case m.Gauge != nil:
			return "gauge"
		case m.Histogram != nil:
			return "histogram"
		}
	}
	t.Fatalf("%T is of no known type", c)
	return ""
}

// registered are rows for the metrics that the program has of itself.
func registered(t *testing.T) (list []string) {
	t.Helper()
	rec := &recorder{Registry: prometheus.NewRegistry()}
	registerOwnMetrics(rec)
	rec.MustRegister(standIn("node_exporter"))
	collector.NewExposer(collector.ExposerOptions{Registerer: rec})
	newHeartbeatMetrics(rec)
	engine.NewMetrics(rec)
	intake.NewMetrics(rec)
	for _, c := range rec.collectors {
		described := make(chan *prometheus.Desc, 8)
		c.Describe(described)
		close(described)
		for d := range described {
			m := description.FindStringSubmatch(d.String())
			if m == nil {
				t.Fatalf("not understood: %s", d)
			}
			var labels []string
			for _, l := range constLabel.FindAllStringSubmatch(m[3], -1) {
				labels = append(labels, l[1])
			}
			if m[4] != "" {
				labels = append(labels, strings.Split(m[4], ",")...)
			}
			list = append(list, metricRow(m[1], typeOf(t, c), labels, strings.ReplaceAll(m[2], `\"`, `"`)))
		}
	}
	slices.Sort(list)
	return list
}

// TestCommandReference holds docs/command-line.md to the commands and flags that there are.
func TestCommandReference(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "")
	t.Setenv("SUDO_USER", "you")
	app, _ := newApplication(discardConsole())
	model := app.Model()
	var b strings.Builder
	b.WriteString(generated + "\n# Command line\n\nExit codes: 0 fine, 1 findings or failure, 2 usage. The commands that talk to the server need it to run.\n\n")
	b.WriteString("Every command takes:\n\n")
	writeFlags(&b, model.Flags)
	for _, c := range model.Commands {
		writeCommand(&b, c, "", 2)
	}
	compareDoc(t, "docs/command-line.md", b.String())
}

func writeCommand(b *strings.Builder, c *kingpin.CmdModel, parent string, level int) {
	if c.Name == "help" || c.Hidden {
		return
	}
	name := strings.TrimSpace(parent + " " + c.Name)
	title := []string{name}
	for _, a := range c.Args {
		title = append(title, strings.ToUpper(a.Name))
	}
	fmt.Fprintf(b, "\n%s %s\n\n%s\n", strings.Repeat("#", level), strings.Join(title, " "), c.Help)
	if len(c.Flags) > 0 {
		b.WriteString("\n")
		writeFlags(b, c.Flags)
	}
	for _, sub := range c.Commands {
		writeCommand(b, sub, name, level+1)
	}
}

// switchesPart tells the flags that are described together.
func switchesPart(flag string) bool {
	return slices.ContainsFunc(knownParts(), func(p collector.Part) bool { return flag == "collector."+p.Name })
}

func writeFlags(b *strings.Builder, flags []*kingpin.FlagModel) {
	b.WriteString("| flag | default | meaning |\n| --- | --- | --- |\n")
	for _, f := range flags {
		if f.Hidden || switchesPart(f.Name) || strings.HasPrefix(f.Name, "help-") || strings.HasPrefix(f.Name, "completion-") {
			continue
		}
		name := "--" + f.Name
		if f.IsBoolFlag() {
			name = "--[no-]" + f.Name
		}
		help := strings.TrimSuffix(f.Help, ".")
		if f.Envar != "" {
			help += "; or the environment variable " + f.Envar
		}
		value := ""
		if len(f.Default) > 0 && f.Default[0] != "" {
			value = code(strings.Join(f.Default, " "))
		}
		b.WriteString(markdownRow(code(name), value, help+"."))
		if f.Name == "collector.disable-defaults" {
			b.WriteString(markdownRow(code("--[no-]collector.PART"), "", "Switch one part on or off; the parts are in [metrics.md](metrics.md)."))
		}
	}
}
