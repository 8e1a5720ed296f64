package host

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

var pressureArea = area{name: "pressure", families: pressureFamilies, open: openPressure}

// pressureFile is a file of /proc/pressure (Documentation/accounting/psi.rst) and what is taken of it; nil for lines
// that it does not have or that mean nothing for the whole system.
type pressureFile struct {
	name       string
	some, full *collector.Family
}

var pressureFiles = []pressureFile{
	{"cpu", counter("node_pressure_cpu_waiting_seconds_total", "Time that some task waited for a CPU."), nil},
	{
		"io", counter("node_pressure_io_waiting_seconds_total", "Time that some task waited for I/O."),
		counter("node_pressure_io_stalled_seconds_total", "Time that all tasks which could run waited for I/O."),
	},
	{
		"memory", counter("node_pressure_memory_waiting_seconds_total", "Time that some task waited for memory."),
		counter("node_pressure_memory_stalled_seconds_total", "Time that all tasks which could run waited for memory."),
	},
	{"irq", nil, counter("node_pressure_irq_stalled_seconds_total", "Time that tasks were kept from running by interrupts.")},
}

var pressureFamilies = func() []*collector.Family {
	var fs []*collector.Family
	for _, f := range pressureFiles {
		for _, family := range []*collector.Family{f.some, f.full} {
			if family != nil {
				fs = append(fs, family)
			}
		}
	}
	return fs
}()

// pressure is the microseconds of stalling that a file tells of.
type pressure struct {
	some, full       uint64
	hasSome, hasFull bool
}

func parsePressure(b []byte) (p pressure, err error) {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		key, rest := cutField(line)
		var to *uint64
		switch string(key) {
		case "some":
			to, p.hasSome = &p.some, true
		case "full":
			to, p.hasFull = &p.full, true
		default:
			continue
		}
		var total []byte
		for field, rest := cutField(rest); field != nil; field, rest = cutField(rest) {
			if value, ok := bytes.CutPrefix(field, []byte("total=")); ok {
				total = value
			}
		}
		if *to, err = parseUint(total); err != nil {
			return p, fmt.Errorf("total of %s: %w", key, err)
		}
	}
	return p, nil
}

func openPressure(s *sources) (reader, error) {
	files := make([]*file, len(pressureFiles))
	for i, p := range pressureFiles {
		files[i] = s.proc("pressure/" + p.name)
	}
	return func(w *collector.Writer) error {
		found := false
		for i, file := range pressureFiles {
			b, err := s.content(files[i])
			if isAbsent(err) || errors.Is(err, unix.EOPNOTSUPP) { // compiled in and switched off, by psi=0 or for interrupts
				continue
			}
			var p pressure
			if err == nil {
				p, err = parsePressure(b)
			}
			if err != nil {
				return fmt.Errorf("/proc/pressure/%s: %w", file.name, err)
			}
			if file.some != nil && p.hasSome {
				w.Add(file.some, float64(p.some)/1000/1000)
				found = true
			}
			if file.full != nil && p.hasFull {
				w.Add(file.full, float64(p.full)/1000/1000)
				found = true
			}
		}
		if !found {
			return collector.ErrNoData
		}
		return nil
	}, nil
}
