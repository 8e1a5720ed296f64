package host

import (
	"fmt"

	"github.com/chronoops/chronoops/collector"
)

var filefdFamilies = []*collector.Family{
	gauge("node_filefd_allocated", "Open files of all processes."),
	gauge("node_filefd_maximum", "Files that may be open in the whole system."),
}

var filefdArea = area{name: "filefd", families: filefdFamilies, open: openFilefd}

// parseFileNr reads /proc/sys/fs/file-nr (fs/file_table.c), whose second number has no meaning any more.
func parseFileNr(b []byte) (allocated, maximum uint64, err error) {
	line, _ := cutLine(b)
	var n [3]uint64
	got, err := parseUints(line, n[:])
	if err == nil && got < len(n) {
		err = fmt.Errorf("%d numbers, want %d", got, len(n))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("/proc/sys/fs/file-nr: %w", err)
	}
	return n[0], n[2], nil
}

func openFilefd(s *sources) (reader, error) {
	f := s.sysctl("fs/file-nr")
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		allocated, maximum, err := parseFileNr(b)
		if err != nil {
			return err
		}
		w.Add(filefdFamilies[0], float64(allocated))
		w.Add(filefdFamilies[1], float64(maximum))
		return nil
	}, nil
}
