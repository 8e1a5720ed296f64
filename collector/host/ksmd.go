package host

import (
	"fmt"

	"github.com/chronoops/chronoops/collector"
)

var ksmdArea = area{name: "ksmd", optIn: true, families: ksmdFamilies, open: openKsmd}

// ksmdFile is a file of /sys/kernel/mm/ksm (Documentation/admin-guide/mm/ksm.rst) and what its number is divided by.
type ksmdFile struct {
	name   string
	family *collector.Family
	unit   float64
}

var ksmdFiles = []ksmdFile{
	{"full_scans", counter("node_ksmd_full_scans_total", "Times that all memory which may be merged was scanned."), 1},
	{"merge_across_nodes", gauge("node_ksmd_merge_across_nodes", "1 if pages of different NUMA nodes may be merged."), 1},
	{"pages_shared", gauge("node_ksmd_pages_shared", "Pages that are shared."), 1},
	{"pages_sharing", gauge("node_ksmd_pages_sharing", "Pages saved by sharing."), 1},
	{"pages_to_scan", gauge("node_ksmd_pages_to_scan", "Pages to scan before ksmd sleeps."), 1},
	{"pages_unshared", gauge("node_ksmd_pages_unshared", "Pages that are unique but scanned again and again."), 1},
	{"pages_volatile", gauge("node_ksmd_pages_volatile", "Pages that change too fast to be merged."), 1},
	{"run", gauge("node_ksmd_run", "0 if ksmd is stopped, 1 if it runs, 2 if it is stopped and all pages are unmerged."), 1},
	{"sleep_millisecs", gauge("node_ksmd_sleep_seconds", "Time that ksmd sleeps between scans."), millis},
}

var ksmdFamilies = func() []*collector.Family {
	var fs []*collector.Family
	for _, f := range ksmdFiles {
		fs = append(fs, f.family)
	}
	return fs
}()

func openKsmd(s *sources) (reader, error) {
	var files []*file
	for _, f := range ksmdFiles {
		files = append(files, s.keepSmall(s.sysPath("kernel/mm/ksm", f.name)))
	}
	return func(w *collector.Writer) error {
		for i, f := range ksmdFiles {
			n, err := s.number(files[i])
			if err != nil {
				return fmt.Errorf("same-page merging: %w", err)
			}
			w.Add(f.family, float64(n)/f.unit)
		}
		return nil
	}, nil
}
