package host

import (
	"fmt"

	"github.com/chronoops/chronoops/collector"
)

var (
	cgroupsCount   = gauge("node_cgroups_cgroups", "Control groups of the controller.", "subsys_name")
	cgroupsEnabled = gauge("node_cgroups_enabled", "1 if the controller is enabled.", "subsys_name")
	cgroupsArea    = area{name: "cgroups", optIn: true, families: []*collector.Family{cgroupsCount, cgroupsEnabled}, open: openCgroups}
)

// parseCgroups calls yield for each controller of /proc/cgroups (cgroups(7)).
func parseCgroups(b []byte, yield func(name []byte, cgroups, enabled uint64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, rest := cutField(line)
		if name == nil || name[0] == '#' {
			continue
		}
		var n [3]uint64 // hierarchy, cgroups, enabled
		got, err := parseUints(rest, n[:])
		if err == nil && got < len(n) {
			err = fmt.Errorf("%d numbers, want %d", got, len(n))
		}
		if err != nil {
			return fmt.Errorf("/proc/cgroups: %s: %w", name, err)
		}
		yield(name, n[1], n[2])
	}
	return nil
}

func openCgroups(s *sources) (reader, error) {
	f := s.proc("cgroups")
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		return parseCgroups(b, func(name []byte, cgroups, enabled uint64) {
			w.Add(cgroupsCount, float64(cgroups), string(name))
			w.Add(cgroupsEnabled, float64(enabled), string(name))
		})
	}, nil
}
