package host

import (
	"bytes"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/sysfs"
)

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
