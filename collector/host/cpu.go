package host

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

var cpuArea = area{
	name: "cpu", families: families(cpuTimeFamilies, throttleFamilies, cpuStateFamilies, cpuInfoFamilies), open: openCPU,
}

var (
	cpuSeconds      = counter("node_cpu_seconds_total", "Time the CPU spent in each mode.", "cpu", "mode")
	cpuGuest        = counter("node_cpu_guest_seconds_total", "Time the CPU spent running guests, which is part of modes user and nice.", "cpu", "mode")
	cpuTimeFamilies = []*collector.Family{cpuSeconds, cpuGuest}

	cpuModeNames  = [cpuModes]string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"}
	cpuGuestModes = [cpuFields - cpuModes]string{"user", "nice"}

	cpuOnline        = gauge("node_cpu_online", "1 if the CPU is online.", "cpu")
	cpuIsolated      = gauge("node_cpu_isolated", "CPUs that the scheduler leaves alone (isolcpus).", "cpu")
	cpuStateFamilies = []*collector.Family{cpuOnline, cpuIsolated}
)

// openCPU reads /proc/stat and what sysfs knows besides, which may be nothing.
func openCPU(s *sources) (reader, error) {
	s.openStat()
	s.openCPUs()
	times, sysfs := cpuTimes(s), []reader{cpuThrottles(s), isolatedCPUs(s), onlineCPUs(s)}
	info, err := openCPUInfo(s)
	if err != nil {
		return nil, err
	}
	return func(w *collector.Writer) error {
		errs := []error{times(w), info(w)}
		for _, read := range sysfs {
			if err := read(w); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}, nil
}

func cpuTimes(s *sources) reader {
	was := make(map[int]cpuTicks)
	series := held[int]{of: func(w *collector.Writer, cpu int) []*collector.Series {
		id := strconv.Itoa(cpu)
		var fields []*collector.Series // as in cpuTicks
		for _, mode := range cpuModeNames {
			fields = append(fields, w.Series(cpuSeconds, id, mode))
		}
		if s.o.CPUGuest {
			for _, mode := range cpuGuestModes {
				fields = append(fields, w.Series(cpuGuest, id, mode))
			}
		}
		return fields
	}}
	return func(w *collector.Writer) error {
		stat, err := s.readStat()
		if err != nil {
			return err
		}
		for i := range stat.cpus {
			c := &stat.cpus[i]
			c.ticks = steady(was[c.id], c.ticks)
			was[c.id] = c.ticks
			for j, series := range series.get(w, c.id) {
				series.Set(float64(c.ticks[j]) / userHZ)
			}
		}
		if len(was) > len(stat.cpus) { // some are offline: they start afresh
			clear(was)
			for _, c := range stat.cpus {
				was[c.id] = c.ticks
			}
		}
		return nil
	}
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

// isolatedCPUs reads the list of CPUs that the scheduler leaves alone.
func isolatedCPUs(s *sources) reader {
	f := s.keepSmall(s.cpuPath("isolated"))
	var ids []int
	series := seriesOfCPU(cpuIsolated)
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		if ids, err = parseCPUList(b, ids[:0]); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		for _, cpu := range ids {
			series.get(w, cpu)[0].Set(1)
		}
		return nil
	}
}

// onlineCPUs tells which of the CPUs present are online, if the first can be taken offline.
func onlineCPUs(s *sources) reader {
	f := s.keepSmall(s.cpuPath("present"))
	var present []int
	version, hotplug := 0, false
	series := seriesOfCPU(cpuOnline)
	return func(w *collector.Writer) error {
		online, v, err := s.onlineCPUs()
		if err != nil {
			return err
		}
		if v != version {
			_, err := s.read(s.cpuPath("cpu0/online"))
			version, hotplug = v, err == nil
		}
		if !hotplug {
			return nil
		}
		b, err := s.content(f)
		if err != nil {
			return err
		}
		if present, err = parseCPUList(b, present[:0]); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		for _, cpu := range present {
			_, ok := slices.BinarySearch(online, cpu)
			series.get(w, cpu)[0].Set(bool01(ok))
		}
		return nil
	}
}

func seriesOfCPU(f *collector.Family) held[int] {
	return held[int]{of: func(w *collector.Writer, cpu int) []*collector.Series {
		return []*collector.Series{w.Series(f, strconv.Itoa(cpu))}
	}}
}
