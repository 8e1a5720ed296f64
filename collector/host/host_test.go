package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/collector/collectortest"
)

func TestKernelGolden(t *testing.T) {
	text, success := collectortest.Scrape(t, fixtureKernel(t))
	golden(t, "kernel.prom", text)
	for part, ok := range success {
		if !ok {
			t.Errorf("part %s failed", part)
		}
	}
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
		"timex": true, "vmstat": false, "xfs": true,
		"buddyinfo": false, "cgroups": false, "cpu_vulnerabilities": true, "ksmd": false, "meminfo_numa": true,
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

func BenchmarkKernel(b *testing.B) {
	benchmark(b, newTestGroup(b, newSources(Defaults()), kernelAreas()))
}
