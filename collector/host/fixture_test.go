package host

import (
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fixture returns options over a copy of the host in testdata.
func fixture(t testing.TB) Options {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/host.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := hosttest.Dir(t)
	for _, f := range archive.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o := Defaults()
	o.ProcFS, o.SysFS, o.UdevData = filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), filepath.Join(dir, "udev")
	return o
}

func fixtureKernel(t testing.TB) *Group {
	t.Helper()
	o := fixture(t)
	o.RootFS = filepath.Join(filepath.Dir(o.ProcFS), "root")
	return fixtureGroup(t, o)
}

// fixtureGroup is a Group of all kernel areas at a fixed time.
func fixtureGroup(t testing.TB, o Options) *Group {
	t.Helper()
	s := newSources(o)
	s.now = func() time.Time {
		return time.Date(2026, 11, 22, 12, 0, 0, 250e6, time.FixedZone("CET", 3600))
	}
	s.uname = func() (utsname, error) {
		return utsname{"Linux", "6.12.0", "#1 SMP", "x86_64", "pod-1", "(none)"}, nil
	}
	s.adjtimex = func(t *unix.Timex) (int, error) {
		*t = unix.Timex{
			Offset: -1500, Freq: 655360, Maxerror: 16000, Esterror: 20, Status: unix.STA_PLL, Constant: 7, Tick: 10000,
			Ppsfreq: 65536, Jitter: 2, Shift: 3, Stabil: 65536, Jitcnt: 4, Calcnt: 5, Errcnt: 6, Stbcnt: 8, Tai: 37,
		}
		return unix.TIME_OK, nil
	}
	s.pageSize = 4096
	return newTestGroup(t, s, kernelAreas())
}

func newTestGroup(t testing.TB, s *sources, areas []area) *Group {
	t.Helper()
	g, err := newGroup(s, areas)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), rewrite it with -update if this is meant:\n%s", path, diff)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func benchmark(b *testing.B, c collector.Collector) {
	log := slog.New(slog.DiscardHandler)
	set, err := collector.NewSet([]*collector.Unit{collector.NewUnit("host", c, log)}, collector.SetOptions{Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	var series int
	b.ReportAllocs()
	for b.Loop() {
		snap, err := set.Scrape(b.Context(), collector.Query{})
		if err != nil {
			b.Fatal(err)
		}
		buf, series = snap.AppendText(buf[:0]), snap.Series()
	}
	b.ReportMetric(float64(series), "series")
}
