package host

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector/collectortest"
)

func fixtureFilesystem(t testing.TB) *Filesystem {
	t.Helper()
	f, err := NewFilesystem(fixture(t))
	if err != nil {
		t.Fatal(err)
	}
	f.statfs = fakeStatfs
	return f
}

func fakeStatfs(path string, buf *unix.Statfs_t) error {
	if path == "/mnt/denied" {
		return unix.EACCES
	}
	*buf = unix.Statfs_t{Bsize: 4096, Blocks: 1000, Bfree: 300, Bavail: 250, Files: 64, Ffree: 32}
	return nil
}

func TestFilesystemGolden(t *testing.T) {
	golden(t, "filesystem.prom", collectortest.Text(t, fixtureFilesystem(t)))
}

// stuckFilesystem has calls that hang until they are released.
func stuckFilesystem(t *testing.T, o Options, hangs func(path string) bool) (f *Filesystem, release func()) {
	t.Helper()
	f, err := NewFilesystem(o)
	if err != nil {
		t.Fatal(err)
	}
	released := make(chan struct{})
	f.statfs = func(path string, buf *unix.Statfs_t) error {
		if hangs(path) {
			<-released
		}
		return fakeStatfs(path, buf)
	}
	return f, func() {
		close(released)
		synctest.Wait()
	}
}

func TestStuckMount(t *testing.T) {
	o := fixture(t)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		asked := make(map[string]int)
		f, release := stuckFilesystem(t, o, func(path string) bool {
			mu.Lock()
			defer mu.Unlock()
			asked[path]++
			return path == "/mnt/nfs" || path == "/run"
		})
		const stuck = `node_filesystem_device_error{device="server:/export\\040two",device_error="mountpoint timeout",fstype="nfs4",mountpoint="/mnt/nfs"} 1`
		for i, want := range []time.Duration{5 * time.Second, 0, 0} {
			start := time.Now()
			text, success := collectortest.Scrape(t, f)
			if took := time.Since(start); took != want {
				t.Errorf("scrape %d took %v, want %v", i, took, want)
			}
			if !success["filesystem"] || !strings.Contains(text, stuck) || strings.Contains(text, `size_bytes{device="server`) {
				t.Errorf("scrape %d: success %v\n%s", i, success, text)
			}
			for _, want := range []string{`mountpoint="/"} 4.096e+06`, `mountpoint="/srv/my data"} 4.096e+06`} {
				if !strings.Contains(text, want) {
					t.Errorf("scrape %d has no %s", i, want)
				}
			}
		}
		mu.Lock()
		if asked["/mnt/nfs"] != 1 || asked["/run"] != 1 || asked["/"] != 3 {
			t.Errorf("asked %v", asked)
		}
		mu.Unlock()
		release()
		if text := collectortest.Text(t, f); strings.Contains(text, "timeout") || !strings.Contains(text, `size_bytes{device="server`) {
			t.Errorf("after it answered:\n%s", text)
		}
	})
}

func TestManyStuckMounts(t *testing.T) {
	o := fixture(t)
	synctest.Test(t, func(t *testing.T) {
		f, release := stuckFilesystem(t, o, func(string) bool { return true })
		points := make([]place, 400)
		for i := range points {
			points[i].point = strings.Repeat("/x", i+1)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		answers := f.ask(ctx, points)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v of 3s", took)
		}
		if n := len(answers); n == 0 || n >= len(points) {
			t.Errorf("%d of %d were asked in time", n, len(points))
		}
		for p, call := range answers {
			if call != nil {
				t.Errorf("%s answered", p)
			}
		}
		release()
	})
}

// TestStuckMountIsReplaced: what is mounted in place of a dead server's file system is asked although the call about that
// never comes back.
func TestStuckMountIsReplaced(t *testing.T) {
	o := fixture(t)
	synctest.Test(t, func(t *testing.T) {
		var alive atomic.Bool
		f, release := stuckFilesystem(t, o, func(string) bool { return !alive.Load() })
		mounted := func(device, options string) string {
			line := "30 1 " + device + " / /data rw - nfs4 server:/data " + options + "\n"
			if err := os.WriteFile(f.tables[0].path, []byte(line), 0o644); err != nil {
				t.Fatal(err)
			}
			return collectortest.Text(t, f)
		}
		if text := mounted("0:50", "rw"); !strings.Contains(text, stuckError) {
			t.Fatal(text)
		}
		alive.Store(true)
		if text := mounted("0:50", "ro"); !strings.Contains(text, stuckError) {
			t.Errorf("asked again:\n%s", text)
		}
		if text := mounted("0:51", "rw"); strings.Contains(text, stuckError) || !strings.Contains(text, "node_filesystem_size_bytes") {
			t.Errorf("not asked:\n%s", text)
		}
		release()
	})
}

// TestStuckMountsAreBounded lets servers with more and more mount points die: some calls hang, the healthy answer.
func TestStuckMountsAreBounded(t *testing.T) {
	o := fixture(t)
	synctest.Test(t, func(t *testing.T) {
		f, release := stuckFilesystem(t, o, func(path string) bool { return strings.HasPrefix(path, "/dead") })
		for i := range 50 {
			places := []place{{point: "/"}, {point: "/srv"}}
			for j := range 40 { // too few for the time to run out
				places = append(places, place{point: fmt.Sprintf("/dead/%d/%d", i, j)})
			}
			answers := f.ask(t.Context(), append(places, place{point: "/last"}))
			for _, point := range []string{"/", "/srv", "/last"} {
				if answers[point] == nil {
					t.Fatalf("scrape %d: %s does not answer", i, point)
				}
			}
		}
		if n := f.stuck(); n < stuckAtMost || n > 2*stuckAtMost {
			t.Errorf("%d calls hang", n)
		}
		release()
		if n := f.stuck(); n > 0 {
			t.Errorf("%d calls hang after all have answered", n)
		}
		if answers := f.ask(t.Context(), []place{{point: "/dead/0/0"}, {point: "/new"}}); answers["/new"] == nil || answers["/dead/0/0"] == nil {
			t.Errorf("not asked again: %v", answers)
		}
	})
}

func BenchmarkFilesystem(b *testing.B) {
	f, err := NewFilesystem(Defaults())
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, f)
}
