package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the user and system time of a process and its threads so far, to the nanosecond: the clock of
// clock_getcpuclockid(3).
func cpuTime(pid int) (time.Duration, error) {
	const schedClock = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("read the processor clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// memory is what a process occupies, in bytes.
type memory struct{ rss, anonymous float64 }

func memoryOf(pid int) (memory, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return memory{}, err
	}
	m, err := parseSmapsRollup(string(b))
	if err != nil {
		return memory{}, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func parseSmapsRollup(text string) (memory, error) {
	var m memory
	wanted := map[string]*float64{"Rss:": &m.rss, "Anonymous:": &m.anonymous}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 3 || wanted[fields[0]] == nil {
			continue
		}
		kb, err := strconv.ParseUint(fields[1], 10, 53)
		if err != nil || fields[2] != "kB" {
			return memory{}, fmt.Errorf("%q is not a number of kB", strings.TrimSpace(line))
		}
		*wanted[fields[0]] = float64(kb) * 1024
		delete(wanted, fields[0])
	}
	if len(wanted) > 0 {
		return memory{}, errors.New("no Rss or no Anonymous")
	}
	return m, nil
}
