package host

import (
	"bytes"
	"errors"
	"fmt"
)

const maxCPU = 1 << 20 // no kernel numbers CPUs higher

// cpuSource tells which CPUs are online (/sys/devices/system/cpu/online), read once for all areas that have files of
// each CPU.
type cpuSource struct {
	f     *file
	round uint64 // the collection that read it
	err   error

	text    []byte // as last read
	ids     []int  // ascending
	version int    // counts the changes of ids
}

// openCPUs prepares onlineCPUs.
func (s *sources) openCPUs() {
	if s.cpus == nil {
		s.cpus = &cpuSource{f: s.keepSmall(s.cpuPath("online"))}
	}
}

func (s *sources) cpuPath(name string) string { return s.sysPath("devices/system/cpu", name) }

// onlineCPUs returns the CPUs that are online, and a number that changes whenever they do.
func (s *sources) onlineCPUs() (ids []int, version int, err error) {
	c := s.cpus
	if c.round != s.round {
		c.round = s.round
		var b []byte
		if b, c.err = s.content(c.f); c.err == nil && (c.version == 0 || !bytes.Equal(b, c.text)) {
			c.text = append(c.text[:0], b...)
			if c.ids, c.err = parseCPUList(b, c.ids[:0]); c.err != nil {
				c.err, c.text = fmt.Errorf("%s: %w", c.f.path, c.err), nil
			}
			c.version++
		}
	}
	return c.ids, c.version, c.err
}

// parseCPUList appends the numbers of a list such as "0-3,8" (Documentation/admin-guide/cputopology.rst).
func parseCPUList(b []byte, ids []int) ([]int, error) {
	b = bytes.TrimSpace(b)
	next := 0
	for len(b) > 0 {
		var part []byte
		part, b, _ = bytes.Cut(b, []byte{','})
		first, last, isRange := bytes.Cut(part, []byte{'-'})
		if !isRange {
			last = first
		}
		from, err := parseUint(first)
		if err != nil {
			return ids, err
		}
		to, err := parseUint(last)
		if err != nil {
			return ids, err
		}
		if from < uint64(next) || to < from || to >= maxCPU {
			return ids, errors.New("not a list of CPUs")
		}
		for next = int(from); next <= int(to); next++ {
			ids = append(ids, next)
		}
	}
	return ids, nil
}
