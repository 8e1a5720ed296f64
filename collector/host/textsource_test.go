package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector/collectortest"
)

// TestTextfileIsParsedOnce also changes a file in each way that must be noticed.
func TestTextfileIsParsedOnce(t *testing.T) {
	x := newTexts(t, map[string]string{"a.prom": "a 1\n"})
	source := x.c.sources[0]
	var now time.Time
	source.now = func() time.Time { return now }
	parsed := func() *textFamily {
		t.Helper()
		r := source.begin()
		if r == nil || !r.done.before(t.Context()) || len(r.files) != 1 || r.files[0].err != nil {
			t.Fatalf("%+v", r)
		}
		return r.files[0].families[0]
	}
	now = time.Now()
	young := parsed()
	if parsed() == young {
		t.Error("a file that may have changed unnoticed since it was read is not read again")
	}
	now = time.Now().Add(time.Hour)
	old := parsed()
	for name, change := range map[string]func(){
		"size":    func() { x.write("a.prom", "a 10\n") },
		"content": func() { x.write("a.prom", "a 20\n") },
		"replaced": func() {
			x.write("new", "a 30\n")
			if err := os.Rename(filepath.Join(x.dir, "new"), filepath.Join(x.dir, "a.prom")); err != nil {
				t.Fatal(err)
			}
		},
		"mtime": func() {
			if err := os.Chtimes(filepath.Join(x.dir, "a.prom"), time.Time{}, time.Unix(1_700_000_001, 0)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		if parsed() != old {
			t.Errorf("%s: parsed again before", name)
		}
		waitForTick(t, filepath.Join(x.dir, "a.prom"))
		change()
		if f := parsed(); f == old {
			t.Errorf("%s: not noticed", name)
		} else {
			old = f
		}
	}
	if err := os.Remove(filepath.Join(x.dir, "a.prom")); err != nil {
		t.Fatal(err)
	}
	if r := source.begin(); !r.done.before(t.Context()) || len(r.files) > 0 || len(source.known) > 0 {
		t.Errorf("a removed file is still known: %v", source.known)
	}
}

// waitForTick returns once a change of the file gets a later time than its last one: kernels tick that slowly.
func waitForTick(t *testing.T, path string) {
	t.Helper()
	change := func(path string) unix.Timespec {
		var stat unix.Stat_t
		if err := unix.Stat(path, &stat); err != nil {
			t.Fatal(err)
		}
		return stat.Ctim
	}
	probe := filepath.Join(t.TempDir(), "probe")
	for last := change(path); ; time.Sleep(time.Millisecond) {
		if err := os.WriteFile(probe, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if change(probe) != last {
			return
		}
	}
}

// TestTextfileOpensFilesOnly has things in the folder that must not be opened, or do not end.
func TestTextfileOpensFilesOnly(t *testing.T) {
	x := newTexts(t, map[string]string{"good.prom": "good 1\n", "huge.prom": "", "target": "linked 1\n"})
	for name, err := range map[string]error{
		"pipe.prom":   unix.Mkfifo(filepath.Join(x.dir, "pipe.prom"), 0o644),
		"folder.prom": os.Mkdir(filepath.Join(x.dir, "folder.prom"), 0o755),
		"link.prom":   os.Symlink("target", filepath.Join(x.dir, "link.prom")),
		"gone.prom":   os.Symlink("nowhere", filepath.Join(x.dir, "gone.prom")),
		"zero.prom":   os.Symlink("/dev/zero", filepath.Join(x.dir, "zero.prom")),
		"huge.prom":   os.Truncate(filepath.Join(x.dir, "huge.prom"), maxTextfile+1),
		"proc.prom":   os.Symlink("/proc/self/mem", filepath.Join(x.dir, "proc.prom")),
	} {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	x.expect(`
		# HELP good Read from DIR/good.prom.
		# TYPE good untyped
		good 1
		# HELP linked Read from DIR/link.prom.
		# TYPE linked untyped
		linked 1
		node_textfile_mtime_seconds{file="DIR/good.prom"} 1.7e+09
		node_textfile_mtime_seconds{file="DIR/link.prom"} 1.7e+09
		node_textfile_scrape_error 1
	`)
	if log := x.log.String(); strings.Count(log, "level=ERROR") != 6 {
		t.Errorf("six of them have no metrics:\n%s", log)
	}
	x.log.Reset()
	x.write("gone.prom", "gone 1\n") // through the link
	x.s.Scrape(collectortest.Timeout)
	if log := x.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "complete again") {
		t.Errorf("one of them has changed:\n%s", log)
	}
}

// TestTextfilePanic has one file that panics where it is read, in a goroutine of its own.
func TestTextfilePanic(t *testing.T) {
	x := newTexts(t, map[string]string{"a.prom": "a 1\n", "b.prom": "b 1\n"})
	first := true
	x.c.sources[0].now = func() time.Time {
		if first {
			first = false
			panic("a mistake")
		}
		return time.Now()
	}
	x.expect(`
		# HELP b Read from DIR/b.prom.
		# TYPE b untyped
		b 1
		node_textfile_mtime_seconds{file="DIR/b.prom"} 1.7e+09
		node_textfile_scrape_error 1
	`)
	if log := x.log.String(); !strings.Contains(log, "a.prom: panic: a mistake") {
		t.Error(log)
	}
}

func TestTextfileFolderIsPipe(t *testing.T) {
	o := Defaults()
	o.TextfileDirs = []string{filepath.Join(t.TempDir(), "pipe")}
	if err := unix.Mkfifo(o.TextfileDirs[0], 0o644); err != nil {
		t.Fatal(err)
	}
	out := collectortest.NewScraper(t, NewTextfile(o)).Scrape(collectortest.Timeout)
	if out.Sample("node_textfile_scrape_error") != "1" || !out.Success["textfile"] {
		t.Errorf("%v\n%s", out.Success, out.Text)
	}
}

// TestStuckTextfiles has a folder that does not answer, as on a dead NFS server.
func TestStuckTextfiles(t *testing.T) {
	x, y := newTexts(t, map[string]string{"a.prom": "a 1\n"}), newTexts(t, map[string]string{"b.prom": "b 1\n"})
	synctest.Test(t, func(t *testing.T) {
		o := Defaults()
		o.TextfileDirs = []string{y.dir, x.dir}
		c := NewTextfile(o)
		release := make(chan struct{})
		c.sources[0].now = func() time.Time { <-release; return time.Now() }
		for i, want := range []time.Duration{o.MountTimeout, 0, 0} {
			start := time.Now()
			text, success := collectortest.Scrape(t, c)
			if took := time.Since(start); took != want {
				t.Errorf("scrape %d took %v, want %v", i, took, want)
			}
			if success["textfile"] || !strings.Contains(text, "\na 1\n") || !strings.Contains(text, "\nnode_textfile_scrape_error 1\n") {
				t.Errorf("scrape %d: success %v\n%s", i, success["textfile"], text)
			}
		}
		close(release)
		synctest.Wait()
		text, success := collectortest.Scrape(t, c)
		if !success["textfile"] || !strings.Contains(text, "\na 1\n") || !strings.Contains(text, "\nb 1\n") {
			t.Errorf("after it answered: success %v\n%s", success["textfile"], text)
		}
	})
}
