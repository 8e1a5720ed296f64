package host

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/collector/host/hosttest"
)

// TestHardwareOpens watches the second scrape: what seldom changes is not read again, and no file twice.
func TestHardwareOpens(t *testing.T) {
	dir := hosttest.Dir(t)
	paths, err := hosttest.Small(dir)
	if err != nil {
		t.Fatal(err)
	}
	o := Defaults()
	o.SysFS, o.TextfileDirs = paths.Sys, []string{paths.Textfile}
	texts := NewTextfile(o)
	texts.sources[0].now = func() time.Time { return time.Now().Add(time.Hour) } // the files are young
	set := newTestSet(t, newTestGroup(t, newSources(o), hardwareAreas()), texts)
	scrape(t, set)
	opens := watchOpens(t, dir)
	scrape(t, set)
	seen := 0
	for name, n := range opens() {
		if n > 1 {
			t.Errorf("%s was opened %d times", name, n)
		}
		for _, word := range []string{"_label", "/name", "/model", "/serial", "/firmware_rev", "/dm/uuid", "/class/dmi/", ".prom"} {
			if strings.HasSuffix(name, word) {
				t.Errorf("%s was opened again", name)
			}
		}
		if strings.HasSuffix(name, "temp1_input") {
			seen++
		}
	}
	if seen == 0 {
		t.Error("the watch saw no sensor")
	}
}

// TestHardwarePilesNothingUp scrapes again and again, the bus ending now and then.
func TestHardwarePilesNothingUp(t *testing.T) {
	dir := hosttest.Dir(t)
	paths, err := hosttest.Small(dir)
	if err != nil {
		t.Fatal(err)
	}
	bus := newFakeBus(t)
	bus.answer = newFakeSystemd().answer
	o := Defaults()
	o.SysFS, o.TextfileDirs = paths.Sys, []string{paths.Textfile}
	d := newTestSystemd(t, bus.root, nil)
	set := newTestSet(t, newTestGroup(t, newSources(o), hardwareAreas()), NewTextfile(o), d)
	const warm, scrapes, restart = 300, 600, 25
	var goroutines, fds int
	var before uint64
	rest := func() int { // goroutines once those of closed connections are gone
		for range 100 {
			if runtime.NumGoroutine() <= goroutines {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		return runtime.NumGoroutine()
	}
	for i := range scrapes {
		if i%restart == restart-1 {
			bus.stop()
			bus.listen()
			bus.set(func() { bus.calls = nil })
		}
		if scrape(t, set); i == warm {
			goroutines, fds, before = rest(), descriptors(t), heap()
		}
	}
	if n := rest(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if n := descriptors(t); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
	if after := heap(); after > before+64<<10 {
		t.Errorf("%d bytes of heap after %d scrapes, %d after %d", after, scrapes, before, warm)
	}
	runtime.KeepAlive(set)
	d.Close()
	if n := descriptors(t); n >= fds {
		t.Errorf("%d descriptors after Close, %d before", n, fds)
	}
}
