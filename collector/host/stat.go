package host

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/chronoops/chronoops/collector"
)

const (
	userHZ        = 100          // ticks per second in /proc/stat, the same on every Linux
	jumpBackTicks = 3 * userHZ   // idle going back further than this is a CPU that was unplugged in between
	cpuModes      = 8            // fields of a cpu line that are modes; guest and guest_nice follow
	cpuFields     = cpuModes + 2 // idle is field 3
	idleField     = 3
	softirqFields = 10
)

var statArea = area{name: "stat", families: statFamilies, open: openStat}

var (
	bootTime        = gauge("node_boot_time_seconds", "When the host booted, in Unix time.")
	contextSwitches = counter("node_context_switches_total", "Context switches.")
	forks           = counter("node_forks_total", "Processes and threads created.")
	interrupts      = counter("node_intr_total", "Interrupts serviced.")
	procsBlocked    = gauge("node_procs_blocked", "Tasks waiting for I/O.")
	procsRunning    = gauge("node_procs_running", "Tasks that run or could.")
	softirqs        = counter("node_softirqs_total", "Software interrupts serviced.", "vector")
	statFamilies    = []*collector.Family{bootTime, contextSwitches, forks, interrupts, procsBlocked, procsRunning, softirqs}

	softirqVectors = [softirqFields]string{
		"hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu",
	}
)

// cpuTicks are the fields of a cpu line in /proc/stat.
type cpuTicks [cpuFields]uint64

// kernelStat is /proc/stat (fs/proc/stat.c).
type kernelStat struct {
	cpus []struct {
		id    int
		ticks cpuTicks
	}
	intr, ctxt, btime, processes, running, blocked uint64

	softirqs    [softirqFields]uint64
	hasSoftirqs bool
}

// parseStat reads /proc/stat into s, whose memory is used again.
func parseStat(b []byte, s *kernelStat) error {
	*s = kernelStat{cpus: s.cpus[:0]}
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		key, rest := cutField(line)
		var to *uint64
		switch string(key) {
		case "intr":
			to = &s.intr
		case "ctxt":
			to = &s.ctxt
		case "btime":
			to = &s.btime
		case "processes":
			to = &s.processes
		case "procs_running":
			to = &s.running
		case "procs_blocked":
			to = &s.blocked
		case "softirq":
			s.parseSoftirqs(rest)
			continue
		default:
			if id, ok := bytes.CutPrefix(key, []byte("cpu")); ok && len(id) > 0 {
				if err := s.parseCPU(id, rest); err != nil {
					return fmt.Errorf("/proc/stat: cpu%s: %w", id, err)
				}
			}
			continue
		}
		value, _ := cutField(rest)
		n, err := parseUint(value)
		if err != nil {
			return fmt.Errorf("/proc/stat: %s: %w", key, err)
		}
		*to = n
	}
	return nil
}

func (s *kernelStat) parseCPU(id, fields []byte) error {
	n, err := parseUint(id)
	if err != nil {
		return err
	}
	if n >= maxCPU {
		return errors.New("no such CPU")
	}
	s.cpus = append(s.cpus, struct {
		id    int
		ticks cpuTicks
	}{id: int(n)})
	got, err := parseUints(fields, s.cpus[len(s.cpus)-1].ticks[:]) // old kernels have fewer
	if err == nil && got < idleField+1 {
		err = fmt.Errorf("only %d fields", got)
	}
	return err
}

// parseSoftirqs takes the line only if it has all its fields, which old kernels do not.
func (s *kernelStat) parseSoftirqs(fields []byte) {
	var all [1 + softirqFields]uint64 // their sum first
	n, err := parseUints(fields, all[:])
	s.softirqs, s.hasSoftirqs = [softirqFields]uint64(all[1:]), n == len(all) && err == nil
}

// statSource is /proc/stat, read once for both its areas.
type statSource struct {
	f     *file
	round uint64 // the collection that read it
	err   error
	kernelStat
}

func (s *sources) openStat() {
	if s.stat == nil {
		s.stat = &statSource{f: s.proc("stat")}
	}
}

func (s *sources) readStat() (*kernelStat, error) {
	st := s.stat
	if st.round != s.round {
		st.round = s.round
		var b []byte
		if b, st.err = s.content(st.f); st.err == nil {
			st.err = parseStat(b, &st.kernelStat)
		}
	}
	return &st.kernelStat, st.err
}

func openStat(s *sources) (reader, error) {
	s.openStat()
	return func(w *collector.Writer) error {
		stat, err := s.readStat()
		if err != nil {
			return err
		}
		w.Add(interrupts, float64(stat.intr))
		w.Add(contextSwitches, float64(stat.ctxt))
		w.Add(forks, float64(stat.processes))
		w.Add(bootTime, float64(stat.btime))
		w.Add(procsRunning, float64(stat.running))
		w.Add(procsBlocked, float64(stat.blocked))
		if s.o.Softirqs && stat.hasSoftirqs {
			for i, n := range stat.softirqs {
				w.Add(softirqs, float64(n), softirqVectors[i])
			}
		}
		return nil
	}, nil
}
