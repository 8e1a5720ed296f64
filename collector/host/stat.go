package host

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

const (
	userHZ        = 100          // ticks per second in /proc/stat, the same on every Linux
	jumpBackTicks = 3 * userHZ   // idle going back further than this is a CPU that was unplugged in between
	cpuModes      = 8            // fields of a cpu line that are modes; guest and guest_nice follow
	cpuFields     = cpuModes + 2 // idle is field 3
	idleField     = 3
)

var (
	cpuSeconds  = counter("node_cpu_seconds_total", "Time the CPU spent in each mode.", "cpu", "mode")
	cpuGuest    = counter("node_cpu_guest_seconds_total", "Time the CPU spent running guests, which is part of modes user and nice.", "cpu", "mode")
	cpuFamilies = []*collector.Family{cpuSeconds, cpuGuest}

	cpuModeNames = [cpuModes]string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"}

	bootTime        = gauge("node_boot_time_seconds", "When the host booted, in Unix time.")
	contextSwitches = counter("node_context_switches_total", "Context switches.")
	forks           = counter("node_forks_total", "Processes and threads created.")
	interrupts      = counter("node_intr_total", "Interrupts serviced.")
	procsBlocked    = gauge("node_procs_blocked", "Tasks waiting for I/O.")
	procsRunning    = gauge("node_procs_running", "Tasks that run or could.")
	statFamilies    = []*collector.Family{bootTime, contextSwitches, forks, interrupts, procsBlocked, procsRunning}
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
	if n > 1<<20 {
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

// readStat reads /proc/stat, once for all parts of a collection.
func (k *Kernel) readStat() error {
	if !k.statRead {
		k.statRead = true
		k.buf, k.statErr = k.stat.read(k.buf)
		if k.statErr == nil {
			k.statErr = parseStat(k.buf, &k.kstat)
		}
	}
	return k.statErr
}

func (k *Kernel) recordCPU(w *collector.Writer) error {
	if err := k.readStat(); err != nil {
		return err
	}
	for i := range k.kstat.cpus {
		c := &k.kstat.cpus[i]
		c.ticks = steady(k.cpus[c.id], c.ticks)
		k.cpus[c.id] = c.ticks
		id := strconv.Itoa(c.id)
		for j, mode := range cpuModeNames {
			w.Add(cpuSeconds, float64(c.ticks[j])/userHZ, id, mode)
		}
		w.Add(cpuGuest, float64(c.ticks[cpuModes])/userHZ, id, "user")
		w.Add(cpuGuest, float64(c.ticks[cpuModes+1])/userHZ, id, "nice")
	}
	if len(k.cpus) > len(k.kstat.cpus) { // some are offline: they start afresh
		clear(k.cpus)
		for _, c := range k.kstat.cpus {
			k.cpus[c.id] = c.ticks
		}
	}
	return nil
}

// steady holds back fields that the kernel lets go back a little (idle and iowait do), which Prometheus would take for
// a counter that began anew. If idle goes back far the CPU was offline, and all fields are taken as they are.
func steady(was, is cpuTicks) cpuTicks {
	if was[idleField] >= is[idleField]+jumpBackTicks {
		return is
	}
	for i := range is {
		is[i] = max(is[i], was[i])
	}
	return is
}

func (k *Kernel) recordStat(w *collector.Writer) error {
	if err := k.readStat(); err != nil {
		return err
	}
	s := &k.kstat
	w.Add(interrupts, float64(s.intr))
	w.Add(contextSwitches, float64(s.ctxt))
	w.Add(forks, float64(s.processes))
	w.Add(bootTime, float64(s.btime))
	w.Add(procsRunning, float64(s.running))
	w.Add(procsBlocked, float64(s.blocked))
	return nil
}
