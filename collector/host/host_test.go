package host

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/collectortest"
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

func TestKernelGolden(t *testing.T) {
	text, success := collectortest.Scrape(t, fixtureKernel(t))
	golden(t, "kernel.prom", text)
	for part, ok := range success {
		if !ok {
			t.Errorf("part %s failed", part)
		}
	}
}

func TestFilesystemGolden(t *testing.T) {
	golden(t, "filesystem.prom", collectortest.Text(t, fixtureFilesystem(t)))
}

func TestLint(t *testing.T) {
	// The names are node_exporter's, those of memory and netstat made from the kernel's words.
	except := []string{"node_intr_total", "node_entropy_available_bits", "node_entropy_pool_size_bits"}
	for _, f := range slices.Concat(meminfoFamilies, numaFamilies, netstatFamilies) {
		except = append(except, f.Name)
	}
	collectortest.Lint(t, fixtureKernel(t), except...)
	collectortest.Lint(t, fixtureFilesystem(t))
}

// more are the lines of /proc/meminfo that node_exporter does not know.
var more = func() map[string]bool {
	m := make(map[string]bool)
	for _, name := range []string{
		"Balloon", "CmaFree", "CmaTotal", "DirectMap4M", "FileHugePages", "FilePmdMapped", "Hugetlb",
		"KReclaimable", "SecPageTables", "Unaccepted",
	} {
		m["node_memory_"+name+"_bytes"] = true
	}
	return m
}()

// TestNames compares what is declared with what node_exporter emits: name, labels and type.
func TestNames(t *testing.T) {
	list, err := os.ReadFile("testdata/node_exporter.txt")
	if err != nil {
		t.Fatal(err)
	}
	theirs := make(map[string]bool)
	for line := range strings.Lines(string(list)) {
		if !strings.HasPrefix(line, "#") {
			theirs[strings.TrimSpace(line)] = true
		}
	}
	for _, part := range Parts() {
		for _, f := range part.Families {
			labels := slices.Sorted(slices.Values(f.Labels))
			ours := fmt.Sprintf("%s{%s} %s", f.Name, strings.Join(labels, ","), f.Type)
			if !theirs[ours] && !more[f.Name] {
				t.Errorf("node_exporter has no %s", ours)
			}
			delete(theirs, ours)
		}
	}
	for line := range theirs {
		t.Errorf("not declared: %s", line)
	}
}

// TestThisHost reads the machine that the test runs on.
func TestThisHost(t *testing.T) {
	k := newTestGroup(t, newSources(Defaults()), kernelAreas())
	text, success := collectortest.Scrape(t, k)
	for _, part := range []string{
		"cpu", "stat", "meminfo", "loadavg", "uname", "time",
		"netdev", "netclass", "netstat", "sockstat", "softnet", "udp_queues", "arp", "tcpstat",
	} {
		if !success[part] {
			t.Errorf("part %s failed", part)
		}
	}
	for _, want := range []string{
		`node_cpu_seconds_total{cpu="0",mode="idle"} `, "node_memory_MemTotal_bytes ", "node_load1 ", "node_boot_time_seconds 1",
		`node_network_receive_bytes_total{device="lo"} `, `node_uname_info{`, "node_time_seconds 1",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
	f, err := NewFilesystem(Defaults())
	if err != nil {
		t.Fatal(err)
	}
	text, success = collectortest.Scrape(t, f)
	if !success["filesystem"] {
		t.Errorf("part filesystem failed:\n%s", text)
	}
}

func TestMissingFiles(t *testing.T) {
	o := Defaults()
	o.ProcFS, o.SysFS, o.UdevData, o.RootFS = t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	k := newTestGroup(t, newSources(o), kernelAreas())
	_, success := collectortest.Scrape(t, k)
	want := map[string]bool{
		"cpu": false, "stat": false, "meminfo": false, "loadavg": false, "diskstats": false,
		"netdev": false, "netclass": false, "netstat": false, "sockstat": false, "softnet": false, "udp_queues": false,
		"arp": false, "conntrack": false, "bonding": false, "tcpstat": false, "uname": true, "time": true,
		"cpufreq": false, "entropy": false, "filefd": false, "interrupts": false, "kernel_hung": false, "mdadm": false,
		"os": false, "pressure": false, "processes": false, "schedstat": false, "selinux": true, "softirqs": false,
		"timex": true, "vmstat": false, "xfs": false,
		"buddyinfo": false, "cgroups": false, "cpu_vulnerabilities": false, "ksmd": false, "meminfo_numa": false,
		"slabinfo": false, "zoneinfo": false,
	}
	if diff := cmp.Diff(want, success); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f, err := NewFilesystem(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, success = collectortest.Scrape(t, f); success["filesystem"] {
		t.Error("no mountinfo, and no failure")
	}
}

func TestBadExpressions(t *testing.T) {
	for name, set := range map[string]func(o *Options){
		"mount points": func(o *Options) { o.MountPoints.Exclude = "(" },
		"types":        func(o *Options) { o.FSTypes.Exclude = "(" },
		"disks":        func(o *Options) { o.Disks.Exclude = "(" },
		"devices":      func(o *Options) { o.NetDevs.Include = "(" },
		"both":         func(o *Options) { o.Disks.Include = "sda" },
	} {
		o := Defaults()
		set(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: a broken expression was accepted", name)
		}
	}
}

func TestSteady(t *testing.T) {
	was := cpuTicks{100, 0, 50, 10000, 70, 0, 0, 0, 9, 9}
	for name, test := range map[string]struct{ is, want cpuTicks }{
		"grows":         {cpuTicks{101, 1, 51, 10100, 71}, cpuTicks{101, 1, 51, 10100, 71, 0, 0, 0, 9, 9}},
		"back a little": {cpuTicks{101, 0, 50, 9990, 60}, cpuTicks{101, 0, 50, 10000, 70, 0, 0, 0, 9, 9}},
		"unplugged":     {cpuTicks{1, 0, 2, 30, 0}, cpuTicks{1, 0, 2, 30, 0}},
	} {
		if diff := cmp.Diff(test.want, steady(was, test.is)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFileFollowsContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f := file{path: path}
	if _, err := f.read(nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	var buf []byte
	for _, content := range []string{"one", strings.Repeat("long", 10000), "", "two"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		var err error
		if buf, err = f.read(buf); err != nil || string(buf) != content {
			t.Errorf("got %d bytes and %v, want %d", len(buf), err, len(content))
		}
		if b, err := readFile(path, nil); err != nil || string(b) != content {
			t.Errorf("readFile: got %d bytes and %v, want %d", len(b), err, len(content))
		}
	}
}

func TestStuckMount(t *testing.T) {
	o := fixture(t)
	synctest.Test(t, func(t *testing.T) {
		f, err := NewFilesystem(o)
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		var mu sync.Mutex
		asked := make(map[string]int)
		f.statfs = func(path string, buf *unix.Statfs_t) error {
			mu.Lock()
			asked[path]++
			mu.Unlock()
			if path == "/mnt/nfs" || path == "/run" {
				<-release
			}
			return fakeStatfs(path, buf)
		}
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
		close(release)
		synctest.Wait()
		if text := collectortest.Text(t, f); strings.Contains(text, "timeout") || !strings.Contains(text, `size_bytes{device="server`) {
			t.Errorf("after it answered:\n%s", text)
		}
	})
}

func TestManyStuckMounts(t *testing.T) {
	o := fixture(t)
	synctest.Test(t, func(t *testing.T) {
		f, err := NewFilesystem(o)
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		f.statfs = func(string, *unix.Statfs_t) error { <-release; return nil }
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
		close(release)
		synctest.Wait()
	})
}

// TestStuckMountIsReplaced: what is mounted in place of a dead server's file system is asked although the call about that
// never comes back.
func TestStuckMountIsReplaced(t *testing.T) {
	o := fixture(t)
	synctest.Test(t, func(t *testing.T) {
		f, err := NewFilesystem(o)
		if err != nil {
			t.Fatal(err)
		}
		var alive atomic.Bool
		release := make(chan struct{})
		f.statfs = func(string, *unix.Statfs_t) error {
			if !alive.Load() {
				<-release
			}
			return nil
		}
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
		close(release)
		synctest.Wait()
	})
}

// TestStuckMountsAreBounded lets servers with more and more mount points die: some calls hang, the healthy answer.
func TestStuckMountsAreBounded(t *testing.T) {
	o := fixture(t)
	synctest.Test(t, func(t *testing.T) {
		f, err := NewFilesystem(o)
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		f.statfs = func(path string, _ *unix.Statfs_t) error {
			if strings.HasPrefix(path, "/dead") {
				<-release
			}
			return nil
		}
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
		close(release)
		synctest.Wait()
		if n := f.stuck(); n > 0 {
			t.Errorf("%d calls hang after all have answered", n)
		}
		if answers := f.ask(t.Context(), []place{{point: "/dead/0/0"}, {point: "/new"}}); answers["/new"] == nil || answers["/dead/0/0"] == nil {
			t.Errorf("not asked again: %v", answers)
		}
	})
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func BenchmarkKernel(b *testing.B) {
	benchmark(b, newTestGroup(b, newSources(Defaults()), kernelAreas()))
}

func BenchmarkFilesystem(b *testing.B) {
	f, err := NewFilesystem(Defaults())
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, f)
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
