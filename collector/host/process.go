package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

var (
	processCPU       = counter("process_cpu_seconds_total", "CPU time that this program used, in user and system mode.")
	processOpenFDs   = gauge("process_open_fds", "File descriptors that this program has open.")
	processMaxFDs    = gauge("process_max_fds", "File descriptors that this program may open.")
	processVirtual   = gauge("process_virtual_memory_bytes", "Address space of this program.")
	processVirtualTo = gauge("process_virtual_memory_max_bytes", "Address space that this program may have.")
	processResident  = gauge("process_resident_memory_bytes", "Memory of this program that is in RAM.")
	processStart     = gauge("process_start_time_seconds", "When this program started, in Unix time.")
	processReceived  = counter("process_network_receive_bytes_total", "Bytes received by IP in this program's network namespace, by all its processes.")
	processSent      = counter("process_network_transmit_bytes_total", "Bytes sent by IP in this program's network namespace, by all its processes.")
)

// processArea is this program itself, with the names of client_golang's process collector, which costs more than all
// of the host's kernel files.
var processArea = area{
	name: "process", open: openProcess,
	families: []*collector.Family{
		processCPU, processOpenFDs, processMaxFDs, processVirtual, processVirtualTo, processResident, processStart, processReceived, processSent,
	},
}

// NewProcess returns a collector of the program's own process_* metrics.
func NewProcess() (*Group, error) { return newGroup(newSources(Defaults()), []area{processArea}) }

func openProcess(s *sources) (reader, error) {
	statm, netstat := s.proc("self/statm"), s.proc("self/net/netstat")
	pageSize := float64(os.Getpagesize())
	var start float64
	return func(w *collector.Writer) error {
		recordUsage(w)
		if fds, err := countFDs(s.o.ProcFS + "/self/fd"); err == nil {
			w.Add(processOpenFDs, float64(fds))
		}
		var err error
		if start == 0 {
			if start, err = s.startTime(); err != nil {
				return err
			}
		}
		w.Add(processStart, start)
		b, err := s.content(statm)
		if err != nil {
			return err
		}
		var pages [2]uint64
		if n, err := parseUints(b, pages[:]); err != nil || n < len(pages) {
			return fmt.Errorf("/proc/self/statm: %q", b)
		}
		w.Add(processVirtual, float64(pages[0])*pageSize)
		w.Add(processResident, float64(pages[1])*pageSize)

		if b, err = s.content(netstat); errors.Is(err, fs.ErrNotExist) {
			return nil // a kernel without networking
		} else if err != nil {
			return err
		}
		in, out, err := parseOctets(b)
		if err != nil {
			return err
		}
		w.Add(processReceived, float64(in))
		w.Add(processSent, float64(out))
		return nil
	}, nil
}

// recordUsage records what system calls tell: getrusage(2) and getrlimit(2).
func recordUsage(w *collector.Writer) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err == nil {
		w.Add(processCPU, float64(usage.Utime.Nano()+usage.Stime.Nano())/1e9)
	}
	for _, l := range []struct {
		resource int
		family   *collector.Family
	}{{unix.RLIMIT_NOFILE, processMaxFDs}, {unix.RLIMIT_AS, processVirtualTo}} {
		var limit unix.Rlimit
		if err := unix.Getrlimit(l.resource, &limit); err == nil {
			w.Add(l.family, float64(limit.Cur))
		}
	}
}

// countFDs returns how many descriptors are open: the size of the folder since Linux 6.2, else its entries.
func countFDs(dir string) (int, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err == nil && st.Size > 0 {
		return int(st.Size), nil
	}
	names, err := readDir(dir)
	return len(names) - 1, err // not the one that read the folder
}

// startTime reads when the program started, from field 22 of /proc/self/stat (proc_pid_stat(5)) and the time of boot.
func (s *sources) startTime() (float64, error) {
	b, err := s.read(s.o.ProcFS + "/self/stat")
	if err != nil {
		return 0, err
	}
	rest := b[bytes.LastIndexByte(b, ')')+1:] // the name may hold anything
	var field []byte
	for range 20 {
		field, rest = cutField(rest)
	}
	ticks, err := strconv.ParseUint(string(field), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/self/stat: start time: %w", err)
	}
	if b, err = s.read(s.o.ProcFS + "/stat"); err != nil {
		return 0, err
	}
	var stat kernelStat
	if err := parseStat(b, &stat); err != nil {
		return 0, err
	}
	return float64(stat.btime) + float64(ticks)/userHZ, nil
}

// parseOctets returns InOctets and OutOctets of the IpExt lines in /proc/net/netstat, of which the first has the names.
func parseOctets(b []byte) (in, out uint64, err error) {
	prefix := []byte("IpExt:")
	i := bytes.Index(b, prefix)
	if i < 0 {
		return 0, 0, errors.New("/proc/net/netstat: no IpExt")
	}
	names, rest := cutLine(b[i:])
	values, _ := cutLine(rest)
	if !bytes.HasPrefix(values, prefix) {
		return 0, 0, errors.New("/proc/net/netstat: IpExt has names without values")
	}
	for {
		var name, value []byte
		name, names = cutField(names)
		value, values = cutField(values)
		if name == nil || value == nil {
			return in, out, nil
		}
		to := &in
		switch string(name) {
		case "InOctets":
		case "OutOctets":
			to = &out
		default:
			continue
		}
		if *to, err = parseUint(value); err != nil {
			return 0, 0, fmt.Errorf("/proc/net/netstat: %s: %w", name, err)
		}
	}
}
