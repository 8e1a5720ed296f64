package host

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chronoops/chronoops/collector/collectortest"
)

// kernelFixture is the fixture with its root file system and the areas given; its files can be changed.
type kernelFixture struct {
	t *testing.T
	*sources
	g       *Group
	scraper *collectortest.Scraper
	clock   time.Time
}

func newKernelFixture(t *testing.T, set func(o *Options), areas ...area) *kernelFixture {
	t.Helper()
	o := fixture(t)
	o.RootFS = filepath.Join(filepath.Dir(o.ProcFS), "root")
	if set != nil {
		set(&o)
	}
	f := &kernelFixture{t: t, sources: newSources(o), clock: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	f.now = func() time.Time { return f.clock }
	f.uname = func() (utsname, error) { return utsname{nodename: "pod-1"}, nil }
	f.g = newTestGroup(t, f.sources, areas)
	t.Cleanup(f.g.Close)
	f.scraper = collectortest.NewScraper(t, f.g)
	return f
}

func (f *kernelFixture) scrape() collectortest.Outcome {
	f.t.Helper()
	return f.scraper.Scrape(collectortest.Timeout)
}

func (f *kernelFixture) path(name string) string {
	return filepath.Join(filepath.Dir(f.o.ProcFS), name)
}

func (f *kernelFixture) write(name, content string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *kernelFixture) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

// link replaces a file or folder by a symbolic link.
func (f *kernelFixture) link(target, name string) {
	f.t.Helper()
	f.remove(name)
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Symlink(target, f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

// expect compares samples; an empty value stands for a series that is not there.
func (f *kernelFixture) expect(o collectortest.Outcome, want map[string]string) {
	f.t.Helper()
	for series, value := range want {
		if got := o.Sample(series); got != value {
			f.t.Errorf("%s is %q, want %q", series, got, value)
		}
	}
}
