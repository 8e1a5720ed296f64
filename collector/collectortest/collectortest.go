// Package collectortest helps to test collectors.
package collectortest

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/chronoops/chronoops/collector"
)

// EnduranceVar names the environment variable that, when not empty, makes tests of endurance run in full.
const EnduranceVar = "CHRONOOPS_ENDURANCE"

// ManyScrapes is how often tests scrape that look for growth: 10,000 times in full, else a tenth of it.
func ManyScrapes() int {
	if os.Getenv(EnduranceVar) != "" {
		return 10_000
	}
	return 1000
}

// Timeout is how long a collection in a test may take.
const Timeout = 30 * time.Second

// Text collects once with all parts selected and returns the text exposition, samples sorted within their family and
// without the metrics of the scrape itself.
func Text(t testing.TB, c collector.Collector) string {
	t.Helper()
	text, _ := Scrape(t, c)
	return text
}

// Scrape collects the parts, all if none are given. It returns the text exposition as Text does, and which of the
// collected parts succeeded.
func Scrape(t testing.TB, c collector.Collector, parts ...string) (text string, success map[string]bool) {
	t.Helper()
	snap := snapshot(t, c, parts...)
	if n := len(snap.Duplicates()); n > 0 {
		t.Errorf("duplicate series in %v", snap.Duplicates())
	}
	text, success, _ = split(string(snap.AppendText(nil)))
	return text, success
}

func snapshot(t testing.TB, c collector.Collector, parts ...string) *collector.Snapshot {
	t.Helper()
	on := make(map[string]bool)
	for _, p := range c.Parts() {
		on[p.Name] = len(parts) == 0 || slices.Contains(parts, p.Name)
	}
	for _, p := range parts {
		if !on[p] {
			t.Fatalf("the collector has no part %q", p)
		}
	}
	sel, err := collector.NewSelection(c.Parts(), true, on)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(testWriter{t}, nil))
	set, err := collector.NewSet([]*collector.Unit{collector.NewUnit("test", c, log)}, collector.SetOptions{Selection: sel, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	defer cancel()
	snap, err := set.Scrape(ctx, collector.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if err := ctx.Err(); err != nil {
		t.Errorf("the collector did not return within %v", Timeout)
	}
	return snap
}

// split takes the scrape's own metrics out of an exposition and sorts the samples of each family.
func split(text string) (_ string, success, noData map[string]bool) {
	var out, samples []string
	success, noData = make(map[string]bool), make(map[string]bool)
	own := false
	flush := func() {
		slices.Sort(samples)
		out = append(out, samples...)
		samples = samples[:0]
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, collector.ScrapeSuccess.Name+`{collector="`); ok {
			name, value, _ := strings.Cut(rest, `"} `)
			success[name] = value == "1\n"
			continue
		}
		if rest, ok := strings.CutPrefix(line, collector.ScrapeNoData.Name+`{collector="`); ok {
			name, value, _ := strings.Cut(rest, `"} `)
			noData[name] = value == "1\n"
			continue
		}
		if name, ok := strings.CutPrefix(line, "# "); ok {
			flush()
			own = strings.Contains(name, " chronoops_scrape_")
			if !own {
				out = append(out, line)
			}
			continue
		}
		if !own {
			samples = append(samples, line)
		}
	}
	flush()
	return strings.Join(out, ""), success, noData
}

// Lint collects once and reports what Prometheus' metric linter has against the result, except for the families
// named, whose names are given by the exporter they stand in for. It also reports families of a recorded part that
// have no help text.
func Lint(t testing.TB, c collector.Collector, except ...string) {
	t.Helper()
	mfs, err := snapshot(t, c).Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(mfs).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !slices.Contains(except, p.Metric) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, part := range c.Parts() {
		for _, f := range part.Families {
			if f.Help == "" {
				t.Errorf("%s: declared without help text", f.Name)
			}
		}
	}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

var _ io.Writer = testWriter{}
