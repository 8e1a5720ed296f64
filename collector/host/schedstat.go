package host

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

const (
	schedFields  = 9 // of a cpu line
	schedRunning = 6
	schedWaiting = 7
	schedSlices  = 8
)

var (
	schedstatRunning   = counter("node_schedstat_running_seconds_total", "Time the CPU ran tasks.", "cpu")
	schedstatWaiting   = counter("node_schedstat_waiting_seconds_total", "Time tasks waited for the CPU.", "cpu")
	schedstatSlices    = counter("node_schedstat_timeslices_total", "Times the CPU began to run a task.", "cpu")
	schedstatArea      = area{name: "schedstat", families: schedstatFamilies, open: openSchedstat}
	schedstatFamilies  = []*collector.Family{schedstatRunning, schedstatWaiting, schedstatSlices}
	schedstatLineBegin = []byte("cpu")
)

// parseSchedstat calls yield for each CPU of /proc/schedstat (Documentation/scheduler/sched-stats.rst).
func parseSchedstat(b []byte, yield func(cpu int, values *[schedFields]uint64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		line, ok := bytes.CutPrefix(line, schedstatLineBegin)
		if !ok {
			continue
		}
		id, rest := cutField(line)
		cpu, err := parseUint(id)
		var values [schedFields]uint64
		n := 0
		if err == nil {
			n, err = parseUints(rest, values[:])
		}
		if err == nil && (n < schedFields || cpu >= maxCPU) {
			err = fmt.Errorf("%d fields, want %d", n, schedFields)
		}
		if err != nil {
			return fmt.Errorf("/proc/schedstat: cpu%s: %w", id, err)
		}
		yield(int(cpu), &values)
	}
	return nil
}

func openSchedstat(s *sources) (reader, error) {
	f := s.proc("schedstat")
	series := held[int]{of: func(w *collector.Writer, cpu int) []*collector.Series {
		id := strconv.Itoa(cpu)
		return []*collector.Series{w.Series(schedstatRunning, id), w.Series(schedstatWaiting, id), w.Series(schedstatSlices, id)}
	}}
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		return parseSchedstat(b, func(cpu int, values *[schedFields]uint64) {
			s := series.get(w, cpu)
			s[0].Set(float64(values[schedRunning]) / 1e9)
			s[1].Set(float64(values[schedWaiting]) / 1e9)
			s[2].Set(float64(values[schedSlices]))
		})
	}, nil
}
