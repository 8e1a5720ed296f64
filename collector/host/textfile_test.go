package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

// texts is a folder of files with metrics and the collector that reads it.
type texts struct {
	t   *testing.T
	dir string
	c   *Textfile
	s   *collectortest.Scraper
	log bytes.Buffer
}

func newTexts(t *testing.T, files map[string]string) *texts {
	t.Helper()
	dir := t.TempDir()
	x := &texts{t: t, dir: dir}
	o := Defaults()
	o.TextfileDirs, o.Logger = []string{dir}, slog.New(slog.NewTextHandler(&x.log, nil))
	x.c = NewTextfile(o)
	x.s = collectortest.NewScraper(t, x.c)
	for name, text := range files {
		x.write(name, text)
	}
	return x
}

// write writes a file of a fixed age.
func (x *texts) write(name, text string) {
	x.t.Helper()
	path := filepath.Join(x.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		x.t.Fatal(err)
	}
	x.touch(name)
}

func (x *texts) touch(name string) {
	x.t.Helper()
	if err := os.Chtimes(filepath.Join(x.dir, name), time.Time{}, time.Unix(1_700_000_000, 999)); err != nil {
		x.t.Fatal(err)
	}
}

// expect compares the exposition without HELP and TYPE of node_textfile_*; DIR stands for the folder.
func (x *texts) expect(want string) {
	x.t.Helper()
	out := x.s.Scrape(collectortest.Timeout)
	if !out.Success["textfile"] {
		x.t.Error("the part failed")
	}
	var got strings.Builder
	for line := range strings.Lines(out.Text) {
		if !strings.HasPrefix(line, "# ") || !strings.Contains(line, " node_textfile_") {
			got.WriteString(strings.ReplaceAll(line, x.dir, "DIR"))
		}
	}
	if diff := cmp.Diff(strings.ReplaceAll(strings.TrimLeft(want, "\n"), "\t", ""), got.String()); diff != "" {
		x.t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTextfiles(t *testing.T) {
	const ok, failed = "node_textfile_scrape_error 0\n", "node_textfile_scrape_error 1\n"
	mtime := func(name string) string {
		return fmt.Sprintf("node_textfile_mtime_seconds{file=\"DIR/%s\"} 1.7e+09\n", name)
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"none":        {nil, ok},
		"other names": {map[string]string{"a.prom.tmp": "a 1\n", "prom": "b 1\n"}, ok},
		"empty":       {map[string]string{"a.prom": ""}, mtime("a.prom") + ok},
		"all types": {
			map[string]string{"a.prom": "# HELP c_total Things.\n# TYPE c_total counter\nc_total{x=\"1\"} 7\nc_total{x=\"2\",y=\"\"} 8\n" +
				"# TYPE g gauge\ng NaN\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_sum 4\nh_count 3\n" +
				"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 2\nu -Inf\n"},
			`
			# HELP c_total Things.
			# TYPE c_total counter
			c_total{x="1"} 7
			c_total{x="2"} 8
			# HELP g Read from DIR/a.prom.
			# TYPE g gauge
			g NaN
			# HELP h Read from DIR/a.prom.
			# TYPE h histogram
			h_bucket{le="+Inf"} 3
			h_bucket{le="1"} 2
			h_count 3
			h_sum 4
			` + mtime("a.prom") + ok + `
			# HELP s Read from DIR/a.prom.
			# TYPE s summary
			s_count 2
			s_sum 2
			s{quantile="0.5"} 1
			# HELP u Read from DIR/a.prom.
			# TYPE u untyped
			u -Inf
			`,
		},
		"one is broken": {
			map[string]string{"a.prom": "a 1\n", "b.prom": "b 1\nbroken{\n", "c.prom": "c 1\n"},
			"# HELP a Read from DIR/a.prom.\n# TYPE a untyped\na 1\n# HELP c Read from DIR/c.prom.\n# TYPE c untyped\nc 1\n" +
				mtime("a.prom") + mtime("c.prom") + failed,
		},
		"timestamps": {map[string]string{"a.prom": "a 1 1700000000000\nb 1\n"}, failed},
		"merged": {
			map[string]string{"a.prom": "# HELP a Same.\na{x=\"1\"} 1\n", "b.prom": "# HELP a Same.\na{x=\"2\"} 2\n", "c.prom": "a{x=\"3\"} 3\n"},
			"# HELP a Same.\n# TYPE a untyped\na{x=\"1\"} 1\na{x=\"2\"} 2\na{x=\"3\"} 3\n" + mtime("a.prom") + mtime("b.prom") + mtime("c.prom") + ok,
		},
		"other help": {
			map[string]string{"a.prom": "# HELP a One.\na{x=\"1\"} 1\n", "b.prom": "# HELP a Two.\na{x=\"2\"} 2\n", "c.prom": "# HELP a One.\na{x=\"3\"} 3\n"},
			"# HELP a One.\n# TYPE a untyped\na{x=\"1\"} 1\na{x=\"3\"} 3\n" + mtime("a.prom") + mtime("b.prom") + mtime("c.prom") + failed,
		},
		"own names": {
			map[string]string{"a.prom": "a 1\nnode_textfile_mtime_seconds{file=\"x\"} 1\n# TYPE node_textfile_scrape_error gauge\nnode_textfile_scrape_error 0\n"},
			"# HELP a Read from DIR/a.prom.\n# TYPE a untyped\na 1\n" + mtime("a.prom") + failed,
		},
		"other type": {
			map[string]string{"a.prom": "# TYPE a gauge\na{x=\"1\"} 1\n", "b.prom": "# TYPE a counter\na{x=\"2\"} 2\n"},
			"# HELP a Read from DIR/a.prom.\n# TYPE a gauge\na{x=\"1\"} 1\n" + mtime("a.prom") + mtime("b.prom") + failed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTexts(t, test.files)
			x.expect(strings.ReplaceAll(strings.ReplaceAll(test.want, "\n\t\t\t\n", "\n"), "\n\n", "\n"))
		})
	}
}

func TestTextfileDuplicates(t *testing.T) {
	x := newTexts(t, map[string]string{"a.prom": "a{x=\"1\"} 1\na{x=\"1\",y=\"\"} 2\n", "b.prom": "a{x=\"1\"} 3\n"})
	snap := snapshotOf(t, x.c)
	text := string(snap.AppendText(nil))
	if !strings.Contains(text, "\na{x=\"1\"} 1\n") || strings.Count(text, "\na{") != 1 {
		t.Errorf("the first does not win:\n%s", text)
	}
	if diff := cmp.Diff(map[string]int{"a": 2}, snap.Duplicates()); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
}

func snapshotOf(t testing.TB, c collector.Collector) *collector.Snapshot {
	t.Helper()
	set, err := collector.NewSet([]*collector.Unit{collector.NewUnit("textfile", c, Defaults().Logger)}, collector.SetOptions{Logger: Defaults().Logger})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := set.Scrape(t.Context(), collector.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// TestTextfilesLikeNodeExporter covers what the small machine does not: several folders, patterns, and mistakes.
func TestTextfilesLikeNodeExporter(t *testing.T) {
	x := newTexts(t, map[string]string{
		"one/a.prom": "# HELP a Things.\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\",y=\"3\"} 2\n",
		"one/b.prom": "broken\nb 1\n", "two/a.prom": "# TYPE a counter\n# HELP a Things.\na{x=\"9\"} 1\n",
		"two/t.prom": "t 1 1\n", "other/o.prom": "o 1\n", "three/h.prom": "# TYPE h histogram\nh_bucket{le=\"1\",x=\"\"} 1\nh_bucket{le=\"+Inf\",x=\"\"} 1\nh_sum{x=\"\"} 1\nh_count{x=\"\"} 1\n",
	})
	dirs := []string{filepath.Join(x.dir, "t*"), filepath.Join(x.dir, "one"), filepath.Join(x.dir, "missing")}
	o := Defaults()
	o.TextfileDirs = dirs
	flags := []string{"--collector.disable-defaults", "--collector.textfile", "--web.disable-exporter-metrics"}
	for _, dir := range dirs {
		flags = append(flags, "--collector.textfile.directory="+dir)
	}
	want := theirs(t, hosttest.NodeExporter(t, flags...))
	got := ours(t, []collector.Collector{NewTextfile(o)})
	for _, w := range want.Families() {
		if g := got[w.Name]; g == nil || g.Interface() != w.Interface() {
			t.Errorf("node_exporter has %s, we %v", w.Interface(), g)
		} else {
			for _, d := range differences(g.Series, w.Series, true) {
				t.Error(d)
			}
		}
	}
	if len(want) != len(got) || got["o"] != nil {
		t.Errorf("we have %d families, node_exporter %d", len(got), len(want))
	}
}

func TestTextfileWithoutFolder(t *testing.T) {
	for _, dirs := range [][]string{nil, {""}} {
		o := Defaults()
		o.TextfileDirs = dirs
		if text, success := collectortest.Scrape(t, NewTextfile(o)); !success["textfile"] || !strings.HasSuffix(text, "\nnode_textfile_scrape_error 0\n") {
			t.Errorf("%q: success %v\n%s", dirs, success["textfile"], text)
		}
	}
}

func FuzzTextfile(f *testing.F) {
	for _, text := range []string{
		"# HELP a Things.\n# TYPE a counter\na{x=\"1\"} 1\na{y=\"2\"} 2\n", "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum 1\nh_count 2\n",
		"a{b=\"\",c=\"d\"} NaN\n", "{\"a\"} 1\n", "a{__name__=\"b\"} 1\n", "a{b=\"\xff\"} 1\n", "# TYPE a summary\na{quantile=\"0.5\"} 1\n", "a 1 1\n", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		families, err := parseText(data, "f.prom")
		parser := expfmt.NewTextParser(model.LegacyValidation)
		parsed, parseErr := parser.TextToMetricFamilies(bytes.NewReader(data))
		if err != nil {
			if parseErr == nil && !errors.Is(err, errTimestamps) {
				t.Errorf("refused: %v", err)
			}
			return
		}
		if len(families) != len(parsed) {
			t.Fatalf("%d families, expfmt has %d", len(families), len(parsed))
		}
		samples := 0
		for _, family := range families {
			mf := parsed[family.name]
			if n := len(family.samples); mf == nil || mf.GetType() != family.typ || (n != len(mf.Metric) && family.whole == nil) {
				t.Fatalf("%s has %d samples, expfmt %v", family.name, n, mf)
			}
			samples += len(mf.Metric)
		}
		snap := snapshotOf(t, fixed{families})
		kept := snap.Series() - snapshotOf(t, fixed{}).Series()
		for _, n := range snap.Duplicates() {
			kept += n
		}
		if kept != samples {
			t.Errorf("%d samples were recorded or dropped, %d are there:\n%s", kept, samples, snap.AppendText(nil))
		}
	})
}

// fixed records the families of a file.
type fixed struct{ families []*textFamily }

func (fixed) Parts() []collector.Part { return []collector.Part{{Name: "textfile", Default: true}} }

func (f fixed) Collect(_ context.Context, w *collector.Writer) error {
	w.Part("textfile", func() error {
		m := merger{w: w, first: make(map[string]declared), failed: make(map[string]error)}
		for _, family := range f.families {
			for _, s := range family.samples {
				w.Add(s.family, s.value, s.labels...)
			}
			if family.whole != nil {
				m.whole = append(m.whole, family.whole)
			}
		}
		return m.gather()
	})
	return nil
}
