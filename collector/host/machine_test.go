package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

// machine is a sysfs of a test's own and the group that reads it.
type machine struct {
	t   *testing.T
	dir string
	g   *Group
	now time.Time
	s   *collectortest.Scraper
}

// newMachine lays out a sysfs. In files, a line is a path and its content; one that begins with -> is a symbolic link,
// relative to sysfs unless it is absolute.
func newMachine(t *testing.T, o Options, files string) *machine {
	t.Helper()
	m := &machine{t: t, dir: hosttest.Dir(t), now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	m.write(files)
	o.SysFS = m.dir
	s := newSources(o)
	s.now = func() time.Time { return m.now }
	m.g = newTestGroup(t, s, hardwareAreas())
	m.s = collectortest.NewScraper(t, m.g)
	return m
}

func (m *machine) write(files string) {
	m.t.Helper()
	for line := range strings.Lines(files) {
		name, content, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		path := filepath.Join(m.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			m.t.Fatal(err)
		}
		target, link := strings.CutPrefix(content, "-> ")
		var err error
		switch {
		case link:
			if !filepath.IsAbs(target) {
				target = filepath.Join(m.dir, target)
			}
			_ = os.Remove(path)
			err = os.Symlink(target, path)
		default:
			if info, statErr := os.Lstat(path); statErr == nil && info.Mode()&os.ModeSymlink != 0 {
				_ = os.Remove(path)
			}
			err = os.WriteFile(path, []byte(strings.ReplaceAll(content, `\n`, "\n")+"\n"), 0o644)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

func (m *machine) remove(name string) {
	m.t.Helper()
	if err := os.RemoveAll(filepath.Join(m.dir, name)); err != nil {
		m.t.Fatal(err)
	}
}

// samples scrapes and returns the samples, and which parts succeeded.
func (m *machine) samples() (string, map[string]bool) {
	m.t.Helper()
	out := m.s.Scrape(collectortest.Timeout)
	var b strings.Builder
	for line := range strings.Lines(out.Text) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String(), out.Success
}

// expect compares the samples, and one part's success.
func (m *machine) expect(part string, success bool, want string) {
	m.t.Helper()
	got, ok := m.samples()
	if diff := cmp.Diff(strings.ReplaceAll(strings.TrimLeft(want, "\n"), "\t", ""), got); diff != "" {
		m.t.Errorf("samples (-want +got):\n%s", diff)
	}
	if ok[part] != success {
		m.t.Errorf("part %s: success is %v", part, ok[part])
	}
}

// What reads with an error although it can be opened, as a sensor does that fails.
const (
	failing = "-> /proc/self/mem"        // EIO
	refused = "-> /proc/self/clear_refs" // EINVAL, as of an attribute that a device does not have
)
