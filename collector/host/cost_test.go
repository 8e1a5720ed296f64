package host

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

// What a scrape costs, in counts: time decides nothing here.

func newTestSet(t testing.TB, collectors ...collector.Collector) *collector.Set {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	var units []*collector.Unit
	on := make(map[string]bool)
	var parts []collector.Part
	for i, c := range collectors {
		units = append(units, collector.NewUnit(strconv.Itoa(i), c, log))
		for _, p := range c.Parts() {
			on[p.Name] = true
			parts = append(parts, p)
		}
	}
	sel, err := collector.NewSelection(parts, true, on)
	if err != nil {
		t.Fatal(err)
	}
	set, err := collector.NewSet(units, collector.SetOptions{Selection: sel, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func scrape(t testing.TB, set *collector.Set) *collector.Snapshot {
	t.Helper()
	snap, err := set.Scrape(t.Context(), collector.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// TestNothingPilesUp scrapes ten thousand times.
func TestNothingPilesUp(t *testing.T) {
	k, f := fixtureKernel(t), fixtureFilesystem(t)
	// Over files every attribute of every network device would be opened each time, which nobody does but for want of netlink.
	links := &fakeKernel{always: [][]byte{newLink(1, "lo"), newLink(2, "eth0"), listEnd(0)}}
	links.serveLinks(t, k.s)
	set := newTestSet(t, k, f)
	const warm, scrapes = 1000, 10000
	var goroutines, fds int
	var before uint64
	for i := range scrapes {
		q := collector.Query{}
		if i%10 > 0 { // what opens files each time
			q.Exclude = []string{"bonding", "mdadm", "processes", "xfs"}
		}
		if _, err := set.Scrape(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		if i == warm {
			goroutines, fds, before = runtime.NumGoroutine(), descriptors(t), heap()
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if n := descriptors(t); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
	// One word for each scrape would be more than that.
	if after := heap(); after > before+32<<10 {
		t.Errorf("%d bytes of heap after %d scrapes, %d after %d", after, scrapes, before, warm)
	}
	runtime.KeepAlive(set) // what is kept of the scrapes is below it
	k.Close()
	if n := descriptors(t); n >= fds {
		t.Errorf("%d descriptors after Close, %d before", n, fds)
	}
}

// heap returns the bytes that are reachable.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestOpens watches the second scrape: kept files are not opened again, and what else is opened is known.
func TestOpens(t *testing.T) {
	k := fixtureKernel(t)
	set := newTestSet(t, k)
	scrape(t, set)
	root := filepath.Dir(k.s.o.ProcFS)
	opens := watchOpens(t, root)
	scrape(t, set)
	got := opens()
	for _, f := range k.s.kept {
		name, _ := filepath.Rel(root, f.path)
		if n := got[name]; n > 0 && f.opened {
			t.Errorf("%s is kept open and was opened %d times", name, n)
		}
	}
	// Devices and processes, which come and go; of the network if the kernel is not asked by netlink.
	allowed := []string{
		"proc/[0-9]*/stat", "proc/[0-9]*/task", "proc/[0-9]*/task/[0-9]*/stat",
		"sys/block/*/md/*", "sys/fs/xfs", "sys/fs/xfs/*/stats/stats",
		"sys/class/net", "sys/class/net/bonding_masters", "sys/class/net/*/*", "sys/class/net/*/statistics/*",
		"sys/class/net/*/bonding/slaves", "sys/class/net/*/*/bonding_slave/mii_status",
	}
	for name, n := range got {
		known := slices.ContainsFunc(allowed, func(pattern string) bool {
			ok, err := filepath.Match(pattern, name)
			return ok && err == nil
		})
		if !known || n > 1 {
			t.Errorf("%s was opened %d times", name, n)
		}
	}
	if got["proc/1/stat"] != 1 {
		t.Error("the watch saw nothing")
	}
}

// watchOpens counts from now on what is opened below root, until the function it returns is called.
func watchOpens(t *testing.T, root string) func() map[string]int {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	dirs := make(map[int32]string)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		watch, err := unix.InotifyAddWatch(fd, path, unix.IN_OPEN)
		dirs[int32(watch)] = name
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	drain := func() map[string]int {
		opens := make(map[string]int)
		buf := make([]byte, 64<<10)
		for {
			n, err := unix.Read(fd, buf)
			if err == unix.EAGAIN {
				return opens
			}
			if err != nil {
				t.Fatal(err)
			}
			for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
				watch, mask := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:])
				size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
				name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:size]), "\x00")
				b = b[size:]
				if mask&unix.IN_Q_OVERFLOW != 0 {
					t.Fatal("events were lost")
				}
				if name != "" || mask&unix.IN_ISDIR == 0 { // a folder tells its parent and itself
					opens[filepath.Join(dirs[watch], name)]++
				}
			}
		}
	}
	drain() // of the walk
	return drain
}

// largeHost is a machine with many CPUs, as far as its files have something for each.
func largeHost(t testing.TB, cpus int) Options {
	t.Helper()
	dir := hosttest.Dir(t)
	write := func(name, content string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var stat, schedstat, info, heading strings.Builder
	heading.WriteString(strings.Repeat(" ", 10))
	for i := range cpus {
		fmt.Fprintf(&stat, "cpu%d 1%d 2 3 400 5 6 7 8 9 10\n", i, i)
		fmt.Fprintf(&schedstat, "cpu%d 0 0 0 0 0 0 11 12 13\ndomain0 MC 3 1 2 3 4 5 6 7 8 9 10 11 12\n", i)
		fmt.Fprintf(&info, "processor\t: %d\nmodel name\t: Example\ncore id\t\t: %d\nphysical id\t: 0\ncpu MHz\t\t: 2100.5\nflags\t\t: a b c\n\n", i, i/2)
		fmt.Fprintf(&heading, "CPU%-7d ", i)
		sys := fmt.Sprintf("sys/devices/system/cpu/cpu%d/", i)
		write(sys+"topology/physical_package_id", "0\n")
		write(sys+"topology/core_id", strconv.Itoa(i/2)+"\n")
		write(sys+"thermal_throttle/core_throttle_count", "1\n")
		write(sys+"thermal_throttle/package_throttle_count", "1\n")
		for _, name := range []string{"scaling_cur_freq", "scaling_min_freq", "scaling_max_freq"} { // as of most drivers
			write(sys+"cpufreq/"+name, "1000000\n")
		}
		write(sys+"cpufreq/scaling_governor", "powersave\n")
		write(sys+"cpufreq/scaling_available_governors", "performance powersave\n")
	}
	table := func(rows int, end string) string {
		var b strings.Builder
		b.WriteString(heading.String() + "\n")
		for i := range rows {
			fmt.Fprintf(&b, "%4d: %s %s\n", i, strings.Repeat("        17 ", cpus), end)
		}
		return b.String()
	}
	write("proc/stat", stat.String()+"softirq 10 1 1 1 1 1 1 1 1 1 1\n")
	write("proc/schedstat", "version 17\n"+schedstat.String())
	write("proc/cpuinfo", info.String())
	write("proc/interrupts", table(50, "PCI-MSI 17-edge nvme0q1"))
	write("proc/softirqs", table(10, ""))
	write("sys/devices/system/cpu/online", fmt.Sprintf("0-%d\n", cpus-1))
	write("sys/devices/system/cpu/present", fmt.Sprintf("0-%d\n", cpus-1))
	write("sys/devices/system/cpu/isolated", "\n")
	write("sys/devices/system/cpu/cpu0/online", "1\n")
	o := Defaults()
	o.ProcFS, o.SysFS, o.RootFS = filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), dir
	o.CPUInfo, o.CPUFlags = true, "."
	return o
}

var cpuAreas = []area{cpuArea, cpufreqArea, statArea, schedstatArea, interruptsArea, softirqsArea}

// TestManyCPUs holds the cost of a collection to what does not grow with the number of CPUs.
func TestManyCPUs(t *testing.T) {
	allocations := make(map[int]float64)
	series := make(map[int]int)
	cpus := []int{2, 256}
	for _, n := range cpus {
		before := descriptors(t)
		g := newTestGroup(t, newSources(largeHost(t, n)), cpuAreas)
		set := newTestSet(t, g)
		series[n] = scrape(t, set).Series()
		allocations[n] = testing.AllocsPerRun(20, func() { scrape(t, set) })
		if kept := descriptors(t) - before; kept > 2*keepAtMost+20 {
			t.Errorf("%d CPUs: %d descriptors are kept", n, kept)
		}
		g.Close()
		if left := descriptors(t) - before; left > 0 {
			t.Errorf("%d CPUs: %d descriptors after Close", n, left)
		}
	}
	few, many := cpus[0], cpus[1]
	if series[many] < 100*series[few] {
		t.Fatalf("%v series", series)
	}
	// Each CPU has four files of its frequency; those not kept open cost the copy of their path.
	if more := allocations[many] - allocations[few]; more > 4*256 {
		t.Errorf("%v allocations with %d CPUs, %v with %d", allocations[many], many, allocations[few], few)
	}
	t.Logf("series %v, allocations %v", series, allocations)
}

func BenchmarkManyCPUs(b *testing.B) {
	benchmark(b, newTestGroup(b, newSources(largeHost(b, 256)), cpuAreas))
}
