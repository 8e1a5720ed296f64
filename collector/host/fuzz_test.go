package host

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"
	"github.com/rogpeppe/go-internal/txtar"
)

// Each parser must survive any bytes, and agree with procfs where both accept them.

// oracle writes a file of a /proc tree and opens the tree with procfs.
func oracle(t *testing.T, name string, data []byte) (procfs.FS, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	fs, err := procfs.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return fs, dir
}

// seed adds the fixture's and this machine's file.
func seed(f *testing.F, name string) {
	f.Helper()
	archive, err := txtar.ParseFile("testdata/host.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		if file.Name == "proc/"+name {
			f.Add(file.Data)
		}
	}
	if b, err := os.ReadFile("/proc/" + name); err == nil {
		f.Add(b)
	}
	f.Add([]byte{})
}

// plain refuses what never stands in a kernel file and what procfs, which splits at any Unicode space and reads other
// notations of numbers, takes differently.
func plain(data []byte) bool {
	for _, c := range data {
		if c != '\n' && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}

func FuzzStat(f *testing.F) {
	seed(f, "stat")
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours kernelStat
		if parseStat(data, &ours) != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "stat", data)
		theirs, err := fs.Stat()
		if err != nil {
			return
		}
		want := kernelStat{
			intr: theirs.IRQTotal, ctxt: theirs.ContextSwitches, btime: theirs.BootTime,
			processes: theirs.ProcessCreated, running: theirs.ProcessesRunning, blocked: theirs.ProcessesBlocked,
		}
		if v := theirs.SoftIRQ; ours.hasSoftirqs {
			want.softirqs = [softirqFields]uint64{
				v.Hi, v.Timer, v.NetTx, v.NetRx, v.Block, v.BlockIoPoll, v.Tasklet, v.Sched, v.Hrtimer, v.Rcu,
			}
		}
		got := ours
		got.cpus, got.hasSoftirqs = nil, false
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(kernelStat{})); diff != "" {
			t.Errorf("(-procfs +ours):\n%s", diff)
		}
		last := make(map[int]cpuTicks)
		for _, c := range ours.cpus {
			last[c.id] = c.ticks
		}
		if len(last) != len(theirs.CPU) {
			t.Errorf("%d CPUs, procfs has %d", len(last), len(theirs.CPU))
		}
		for id, ticks := range last {
			c := theirs.CPU[int64(id)]
			for i, want := range []float64{c.User, c.Nice, c.System, c.Idle, c.Iowait, c.IRQ, c.SoftIRQ, c.Steal, c.Guest, c.GuestNice} {
				if got := float64(ticks[i]) / userHZ; got != want {
					t.Errorf("cpu%d field %d: %v, procfs has %v", id, i, got, want)
				}
			}
		}
	})
}

func FuzzMeminfo(f *testing.F) {
	seed(f, "meminfo")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours := make(map[string]float64)
		err := parseMeminfo(data, func(field int, v float64) { ours[memFields[field].key] = v })
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "meminfo", data)
		m, err := fs.Meminfo()
		if err != nil {
			return
		}
		for key, want := range map[string]*uint64{
			"MemTotal": m.MemTotalBytes, "MemFree": m.MemFreeBytes, "MemAvailable": m.MemAvailableBytes, "Cached": m.CachedBytes,
			"Active(anon)": m.ActiveAnonBytes, "Committed_AS": m.CommittedASBytes, "SwapFree": m.SwapFreeBytes,
			"HugePages_Total": m.HugePagesTotal, "Hugepagesize": m.HugepagesizeBytes, "DirectMap2M": m.DirectMap2MBytes,
		} {
			got, ok := ours[key]
			if ok != (want != nil) || ok && got != float64(*want) && !octalNumber(data) {
				t.Errorf("%s: %v, procfs has %v", key, got, want)
			}
		}
	})
}

// octalNumber reports a number with a leading zero, which procfs takes as octal here and the kernel never writes.
func octalNumber(data []byte) bool {
	for f := range bytes.FieldsSeq(data) {
		if len(f) > 1 && f[0] == '0' {
			return true
		}
	}
	return false
}

func FuzzLoad(f *testing.F) {
	seed(f, "loadavg")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, err := parseLoad(data)
		if err != nil || !plain(data) || bytes.ContainsRune(data, '\n') {
			return
		}
		fs, _ := oracle(t, "loadavg", data)
		theirs, err := fs.LoadAvg()
		if err != nil {
			return
		}
		if want := [3]float64{theirs.Load1, theirs.Load5, theirs.Load15}; ours != want {
			t.Errorf("%v, procfs has %v", ours, want)
		}
	})
}

func FuzzDiskstats(f *testing.F) {
	seed(f, "diskstats")
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours []disk
		err := parseDiskstats(data, func(d *disk) {
			c := *d
			c.name = bytes.Clone(d.name)
			ours = append(ours, c)
		})
		if err != nil || !plain(data) || len(ours) != len(bytes.Split(bytes.TrimSpace(data), []byte("\n"))) {
			return
		}
		_, dir := oracle(t, "diskstats", data)
		bfs, err := blockdevice.NewFS(dir, dir)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := bfs.ProcDiskstats()
		if err != nil || len(theirs) != len(ours) {
			return
		}
		for i, d := range theirs {
			if d.IoStatsCount-3 != ours[i].n {
				continue // it drops what it cannot read
			}
			want := [diskFields]uint64{
				d.ReadIOs, d.ReadMerges, d.ReadSectors, d.ReadTicks, d.WriteIOs, d.WriteMerges, d.WriteSectors,
				d.WriteTicks, d.IOsInProgress, d.IOsTotalTicks, d.WeightedIOTicks, d.DiscardIOs, d.DiscardMerges, d.DiscardSectors,
				d.DiscardTicks, d.FlushRequestsCompleted, d.TimeSpentFlushing,
			}
			if diff := cmp.Diff(want, ours[i].values); diff != "" || d.DeviceName != string(ours[i].name) {
				t.Errorf("%s, procfs has %s (-procfs +ours):\n%s", ours[i].name, d.DeviceName, diff)
			}
		}
	})
}

func FuzzNetDev(f *testing.F) {
	seed(f, "net/dev")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours := make(map[string][netFields]uint64)
		err := parseNetDev(data, func(name []byte, v *[netFields]uint64) { ours[string(name)] = *v })
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "net/dev", data)
		theirs, err := fs.NetDev()
		if err != nil {
			return
		}
		if len(ours) != len(theirs) {
			t.Errorf("%d devices, procfs has %d", len(ours), len(theirs))
		}
		for name, d := range theirs {
			want := [netFields]uint64{
				d.RxBytes, d.RxPackets, d.RxErrors, d.RxDropped, d.RxFIFO, d.RxFrame, d.RxCompressed, d.RxMulticast,
				d.TxBytes, d.TxPackets, d.TxErrors, d.TxDropped, d.TxFIFO, d.TxCollisions, d.TxCarrier, d.TxCompressed,
			}
			if diff := cmp.Diff(want, ours[name]); diff != "" {
				t.Errorf("%s (-procfs +ours):\n%s", name, diff)
			}
		}
	})
}

func FuzzMountinfo(f *testing.F) {
	seed(f, "1/mountinfo")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, err := parseMountinfo(data)
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "1/mountinfo", data)
		theirs, err := fs.GetProcMounts(1)
		if err != nil {
			return
		}
		if len(ours) != len(theirs) {
			t.Fatalf("%d mounts, procfs has %d", len(ours), len(theirs))
		}
		for i, m := range theirs {
			_, ro := m.Options["ro"]
			_, superRO := m.SuperOptions["ro"]
			_, emergency := m.SuperOptions["emergency_ro"]
			want := mount{device: m.Source, point: unescape(m.MountPoint), fstype: m.FSType, readonly: ro || superRO || emergency}
			want.major, want.minor, _ = strings.Cut(m.MajorMinorVer, ":")
			if diff := cmp.Diff(want, ours[i], cmp.AllowUnexported(mount{})); diff != "" {
				t.Errorf("(-procfs +ours):\n%s", diff)
			}
		}
	})
}

func FuzzUnescape(f *testing.F) {
	f.Add("/srv/my data")
	f.Add("\\\t\n\\040")
	f.Fuzz(func(t *testing.T, path string) {
		var escaped strings.Builder // as the kernel does it
		for i := range len(path) {
			if strings.IndexByte(" \t\n\\", path[i]) >= 0 {
				fmt.Fprintf(&escaped, "\\%03o", path[i])
			} else {
				escaped.WriteByte(path[i])
			}
		}
		if got := unescape(escaped.String()); got != path {
			t.Errorf("%q was escaped as %q and became %q", path, escaped.String(), got)
		}
		unescape(path) // any bytes
	})
}

func FuzzUdev(f *testing.F) {
	f.Add("E:ID_MODEL=x=y\nS:link\nE:broken\n")
	f.Fuzz(func(t *testing.T, data string) {
		for name, value := range parseUdev(data) {
			if !strings.Contains(data, "E:"+name+"="+value) {
				t.Errorf("%s=%s is not in the data", name, value)
			}
		}
	})
}

func TestStripRoot(t *testing.T) {
	for _, test := range []struct{ path, root, want string }{
		{"/srv", "/", "/srv"}, {"/host", "/host", "/"}, {"/host/srv", "/host/", "/srv"}, {"/hosted", "/host", "/hosted"}, {"/", "/host", "/"},
	} {
		if got := stripRoot(test.path, test.root); got != test.want {
			t.Errorf("%s at %s: got %s, want %s", test.path, test.root, got, test.want)
		}
	}
}
