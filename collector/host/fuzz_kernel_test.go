package host

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/sysfs"
	"github.com/prometheus/procfs/xfs"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

// seedFixture adds a file of the fixture.
func seedFixture(f *testing.F, name string) {
	f.Helper()
	archive, err := txtar.ParseFile("testdata/host.txtar")
	if err != nil {
		f.Fatal(err)
	}
	i := slices.IndexFunc(archive.Files, func(file txtar.File) bool { return file.Name == name })
	if i < 0 {
		f.Fatalf("the fixture has no %s", name)
	}
	f.Add(archive.Files[i].Data)
}

func FuzzCPUList(f *testing.F) {
	f.Add([]byte("0-3,8,10-11\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, err := parseCPUList(data, nil)
		if err != nil || !plain(data) {
			return
		}
		if !slices.IsSorted(ours) || len(slices.Compact(slices.Clone(ours))) != len(ours) {
			t.Errorf("%v", ours)
		}
		_, dir := oracle(t, "devices/system/cpu/isolated", data)
		sys, err := sysfs.NewFS(dir)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := sys.IsolatedCPUs()
		if err != nil || len(ours) > 0 && ours[len(ours)-1] > math.MaxUint16 {
			return
		}
		if !slices.EqualFunc(ours, theirs, func(a int, b uint16) bool { return a == int(b) }) {
			t.Errorf("%v, procfs has %v", ours, theirs)
		}
	})
}

func FuzzCPUInfo(f *testing.F) {
	seed(f, "cpuinfo")
	f.Add([]byte("processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU architecture: 8\n" +
		"CPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours []*knownCPU
		err := parseCPUInfo(data, func(fields *[infoFields][]byte) error {
			ours = append(ours, newKnownCPU(fields))
			return nil
		})
		if err != nil || !plain(bytes.ReplaceAll(data, []byte("\t"), nil)) || runtime.GOARCH != "amd64" || !isX86(data) {
			return
		}
		fs, _ := oracle(t, "cpuinfo", data)
		theirs, err := fs.CPUInfo()
		if err != nil || len(ours) != len(theirs) {
			return
		}
		for i, c := range theirs {
			want := [infoLabels]string{
				strconv.Itoa(int(c.Processor)), c.PhysicalID, c.CoreID, c.VendorID, c.CPUFamily, c.Model, c.ModelName, c.Microcode,
				c.Stepping, c.CacheSize,
			}
			for j := range want {
				want[j] = strings.TrimSpace(want[j])
			}
			if n, err := strconv.Atoi(ours[i].labels[infoCPU]); err != nil || n != int(c.Processor) {
				t.Errorf("CPU %s, procfs has %d", ours[i].labels[infoCPU], c.Processor)
			}
			if diff := cmp.Diff(want[1:], ours[i].labels[1:]); diff != "" {
				t.Errorf("(-procfs +ours):\n%s", diff)
			}
		}
	})
}

// isX86 reports whether every line is one that procfs can take apart, with names of x86 each at most once in a block.
func isX86(data []byte) bool {
	seen := make(map[string]bool)
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		if !ok {
			continue
		}
		if !strings.HasPrefix(value, " ") || strings.TrimSpace(value) == "" {
			return false
		}
		name = strings.TrimSpace(name)
		if name == "processor" {
			clear(seen)
		}
		if seen[name] || strings.HasPrefix(name, "CPU ") || name == "vendor" {
			return false
		}
		seen[name] = true
	}
	return true
}

func FuzzInterrupts(f *testing.F) {
	seed(f, "interrupts")
	f.Fuzz(func(t *testing.T, data []byte) {
		var table cpuTable
		type interrupt struct {
			info, devices string
			values        []uint64
		}
		ours := make(map[string]interrupt)
		err := table.parse(data, func(name, rest []byte, values []uint64) {
			info, devices := describeInterrupt(string(name), string(rest))
			ours[string(name)] = interrupt{info, devices, slices.Clone(values)}
		})
		lines := strings.Split(string(data), "\n")
		cpus := len(strings.Fields(lines[0]))
		if err != nil || !plain(data) || slices.ContainsFunc(lines[1:], func(line string) bool {
			words := strings.Fields(line) // procfs cannot take apart anything else
			return len(words) > 0 && (len(words) < cpus+2 || strings.IndexByte(line, ':') != strings.Index(line, words[0])+len(words[0])-1)
		}) {
			return
		}
		procs, _ := oracle(t, "1/interrupts", data)
		proc, err := procs.Proc(1)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := proc.Interrupts()
		if err != nil {
			return
		}
		for name, i := range ours {
			var values []string
			for _, v := range i.values {
				values = append(values, strconv.FormatUint(v, 10))
			}
			if diff := cmp.Diff(theirs[name], procfs.Interrupt{Info: i.info, Devices: i.devices, Values: values}); diff != "" && canonical(theirs[name].Values) {
				t.Errorf("%s (-procfs +ours):\n%s", name, diff)
			}
		}
	})
}

// canonical reports whether numbers are written as FormatUint does.
func canonical(numbers []string) bool {
	return !slices.ContainsFunc(numbers, func(s string) bool {
		n, err := strconv.ParseUint(s, 10, 64)
		return err != nil || strconv.FormatUint(n, 10) != s
	})
}

func FuzzSoftirqs(f *testing.F) {
	seed(f, "softirqs")
	f.Fuzz(func(t *testing.T, data []byte) {
		var table cpuTable
		ours := make(map[string][]uint64)
		err := table.parse(data, func(name, _ []byte, values []uint64) { ours[string(name)] = slices.Clone(values) })
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "softirqs", data)
		theirs, err := fs.Softirqs()
		if err != nil {
			return
		}
		for name, want := range map[string][]uint64{
			"HI": theirs.Hi, "TIMER": theirs.Timer, "NET_TX": theirs.NetTx, "NET_RX": theirs.NetRx, "BLOCK": theirs.Block,
			"IRQ_POLL": theirs.IRQPoll, "TASKLET": theirs.Tasklet, "SCHED": theirs.Sched, "HRTIMER": theirs.HRTimer, "RCU": theirs.RCU,
		} {
			if got, ok := ours[name]; ok && len(want) == len(table.cpus) && !slices.Equal(got, want) &&
				strings.Count(string(data), name+":") == 1 {
				t.Errorf("%s: %v, procfs has %v", name, got, want)
			}
		}
	})
}

func FuzzFileNr(f *testing.F) {
	seed(f, "sys/fs/file-nr")
	f.Fuzz(func(t *testing.T, data []byte) {
		allocated, maximum, err := parseFileNr(data)
		if err != nil {
			return
		}
		line, _, _ := strings.Cut(string(data), "\n")
		words := strings.FieldsFunc(line, func(r rune) bool { return r < 128 && isSpace(byte(r)) })
		for i, want := range map[int]uint64{0: allocated, 2: maximum} {
			if got, err := strconv.ParseUint(words[i], 10, 64); err != nil || got != want {
				t.Errorf("%d, the file says %s", want, words[i])
			}
		}
	})
}

func FuzzPressure(f *testing.F) {
	for _, name := range []string{"cpu", "io", "memory", "irq"} {
		seed(f, "pressure/"+name)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, err := parsePressure(data)
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "pressure/io", data)
		theirs, err := fs.PSIStatsForResource("io")
		if err != nil || bytes.Count(data, []byte("total=")) != bytes.Count(data, []byte("avg10=")) {
			return
		}
		for _, line := range []struct {
			ours   uint64
			has    bool
			theirs *procfs.PSILine
		}{{ours.some, ours.hasSome, theirs.Some}, {ours.full, ours.hasFull, theirs.Full}} {
			if line.has && line.theirs != nil && line.ours != line.theirs.Total {
				t.Errorf("%d, procfs has %d", line.ours, line.theirs.Total)
			}
			if !line.has && line.theirs != nil {
				t.Errorf("procfs has %d", line.theirs.Total)
			}
		}
	})
}

func FuzzSchedstat(f *testing.F) {
	seed(f, "schedstat")
	f.Fuzz(func(t *testing.T, data []byte) {
		type cpu struct {
			id     int
			values [schedFields]uint64
		}
		var ours []cpu
		err := parseSchedstat(data, func(id int, v *[schedFields]uint64) { ours = append(ours, cpu{id, *v}) })
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "schedstat", data)
		theirs, err := fs.Schedstat()
		if err != nil || len(theirs.CPUs) != len(ours) { // procfs wants single blanks, and takes lines that only contain a CPU's
			return
		}
		for i, c := range theirs.CPUs {
			v := ours[i].values
			want := [3]uint64{c.RunningNanoseconds, c.WaitingNanoseconds, c.RunTimeslices}
			if got := [3]uint64{v[schedRunning], v[schedWaiting], v[schedSlices]}; got != want {
				t.Errorf("CPU %d: %v, procfs has %v", ours[i].id, got, want)
			}
		}
	})
}

func FuzzPairs(f *testing.F) {
	seed(f, "vmstat")
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := 0
		if err := parsePairs(data, func(field, _ []byte) error {
			if len(field) == 0 {
				t.Error("a field without name")
			}
			lines++
			return nil
		}); err != nil || lines > bytes.Count(data, []byte("\n"))+1 {
			t.Errorf("%d lines, %v", lines, err)
		}
	})
}

func FuzzXFS(f *testing.F) {
	seedFixture(f, "sys/fs/xfs/sda1/stats/stats")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours := make(map[*collector.Family]uint64)
		err := parseXFS(data, func(f *collector.Family, n uint64) { ours[f] = n })
		if err != nil || !plain(data) {
			return
		}
		s, err := xfs.ParseStats(bytes.NewReader(data))
		if err != nil {
			return
		}
		a, b, m, bm, d, i, v := s.ExtentAllocation, s.AllocationBTree, s.BlockMapping, s.BlockMapBTree, s.DirectoryOperation, s.InodeOperation, s.Vnode
		for key, want := range map[string][]uint32{
			"extent_alloc": {a.ExtentsAllocated, a.BlocksAllocated, a.ExtentsFreed, a.BlocksFreed},
			"abt":          {b.Lookups, b.Compares, b.RecordsInserted, b.RecordsDeleted},
			"blk_map": {
				m.Reads, m.Writes, m.Unmaps, m.ExtentListInsertions, m.ExtentListDeletions, m.ExtentListLookups, m.ExtentListCompares,
			},
			"bmbt":   {bm.Lookups, bm.Compares, bm.RecordsInserted, bm.RecordsDeleted},
			"dir":    {d.Lookups, d.Creates, d.Removes, d.Getdents},
			"ig":     {i.Attempts, i.Found, i.Recycle, i.Missed, i.Duplicate, i.Reclaims, i.AttributeChange},
			"rw":     {s.ReadWrite.Write, s.ReadWrite.Read},
			"vnodes": {v.Active, v.Allocate, v.Get, v.Hold, v.Release, v.Reclaim, v.Remove},
		} {
			for i, f := range xfsLines[key] {
				if ours[f] != uint64(want[i]) {
					t.Errorf("%s: %d, procfs has %d", f.Name, ours[f], want[i])
				}
			}
		}
	})
}

func FuzzMdstat(f *testing.F) {
	seed(f, "mdstat")
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours []mdArray
		err := parseMdstat(data, func(a *mdArray) {
			c := *a
			c.name = bytes.Clone(a.name)
			ours = append(ours, c)
		})
		if err != nil || !plain(bytes.ReplaceAll(data, []byte("\t"), nil)) {
			return
		}
		fs, _ := oracle(t, "mdstat", data)
		theirs, err := survives(fs.MDStat)
		if err != nil || len(ours) != len(theirs) {
			return // it takes any line for an array's
		}
		states := map[string]string{
			"active": "active", "inactive": "inactive", "recovering": "recovering", "resyncing": "resync", "checking": "check",
		}
		for i, m := range theirs {
			want := mdArray{
				name: []byte(m.Name), state: states[m.ActivityState], required: int(m.DisksTotal), active: int(m.DisksActive),
				failed: int(m.DisksFailed), spare: int(m.DisksSpare), blocks: uint64(m.BlocksTotal), synced: uint64(m.BlocksSynced),
			}
			if diff := cmp.Diff(want, ours[i], cmp.AllowUnexported(mdArray{})); diff != "" {
				t.Errorf("%s (-procfs +ours):\n%s", m.Name, diff)
			}
		}
	})
}

// survives calls an oracle, some of which panic at what no kernel writes.
func survives[T any](read func() (T, error)) (v T, err error) {
	defer func() {
		if recover() != nil {
			err = os.ErrInvalid
		}
	}()
	return read()
}

func FuzzOSRelease(f *testing.F) {
	f.Add(`Example Linux 12.5 ("maple") $5 \ ` + "`'#=")
	f.Fuzz(func(t *testing.T, value string) {
		if r := parseOSRelease(value); len(r) > strings.Count(value, "\n")+1 {
			t.Errorf("%v", r)
		}
		parseOSRelease("VERSION_ID=" + value).version()
		if strings.ContainsAny(value, "\n\r") {
			return
		}
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(value)
		got := parseOSRelease("A=1\nNAME=\"" + quoted + "\"\nB='2'\n")
		if diff := cmp.Diff(osRelease{"A": "1", "NAME": value, "B": "2"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func FuzzTaskStat(f *testing.F) {
	seedFixture(f, "proc/200/stat")
	if b, err := os.ReadFile("/proc/self/stat"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, err := parseTaskStat(data)
		if err != nil || !plain(data) || bytes.ContainsRune(data, '\n') {
			return
		}
		fs, _ := oracle(t, "1/stat", data)
		proc, err := fs.Proc(1)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := survives(proc.Stat)
		if err != nil || bytes.Contains(data, []byte(")"+theirs.State)) { // it skips the byte after the name, whatever it is
			return
		}
		if string(ours.state) != theirs.State || ours.threads != uint64(theirs.NumThreads) {
			t.Errorf("%c %d, procfs has %s %d", ours.state, ours.threads, theirs.State, theirs.NumThreads)
		}
	})
}

// FuzzDirents compares with the standard reading of a listing.
func FuzzDirents(f *testing.F) {
	dirent := func(name string) []byte {
		b := make([]byte, (19+len(name)+1+7)/8*8)
		b[0] = 1
		binary.NativeEndian.PutUint16(b[16:], uint16(len(b)))
		copy(b[19:], name)
		return b
	}
	f.Add(slices.Concat(dirent("."), dirent(".."), dirent("1"), dirent("self"), dirent("4194304"), dirent("12a")))
	f.Fuzz(func(t *testing.T, data []byte) {
		ours := appendIDs(nil, data)
		for b := data; len(b) > 0; { // no kernel gives an entry without an inode or an end
			if len(b) < 24 {
				return
			}
			length := int(binary.NativeEndian.Uint16(b[16:]))
			if length < 24 || length > len(b) || bytes.IndexByte(b[19:length], 0) < 0 || binary.NativeEndian.Uint64(b) == 0 {
				return
			}
			b = b[length:]
		}
		_, _, names := unix.ParseDirent(data, -1, nil)
		var theirs []int
		for _, name := range names {
			if n, err := strconv.ParseUint(name, 10, 31); err == nil {
				theirs = append(theirs, int(n))
			}
		}
		if !slices.Equal(ours, theirs) {
			t.Errorf("%v, want %v", ours, theirs)
		}
	})
}

// TestListFolder lists a folder of more names than the buffer takes, twice.
func TestListFolder(t *testing.T) {
	dir := hosttest.Dir(t)
	want := make(map[int]bool)
	for i := range 1500 {
		want[i*7] = true
		if err := os.Mkdir(filepath.Join(dir, strconv.Itoa(i*7)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f := file{path: dir}
	defer f.close()
	var r processReader
	for range 2 {
		fd, err := f.open()
		if err != nil {
			t.Fatal(err)
		}
		ids, err := r.list(fd, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[int]bool)
		for _, id := range ids {
			got[id] = true
		}
		if len(ids) != len(want) || !maps.Equal(got, want) {
			t.Errorf("%d names, want %d", len(ids), len(want))
		}
	}
}
