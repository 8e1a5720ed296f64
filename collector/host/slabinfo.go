package host

import (
	"bytes"
	"fmt"

	"github.com/chronoops/chronoops/collector"
)

// slabFamilies are in the order of the columns of /proc/slabinfo.
var slabFamilies = []*collector.Family{
	gauge("node_slabinfo_active_objects", "Objects of the cache that are in use.", "slab"),
	gauge("node_slabinfo_objects", "Objects that the cache has allocated.", "slab"),
	gauge("node_slabinfo_object_size_bytes", "Size of an object of the cache.", "slab"),
	gauge("node_slabinfo_objects_per_slab", "Objects in a slab of the cache.", "slab"),
	gauge("node_slabinfo_pages_per_slab", "Pages of a slab of the cache.", "slab"),
}

var slabinfoArea = area{name: "slabinfo", optIn: true, families: slabFamilies, open: openSlabinfo}

const slabFields = 5

// parseSlabinfo calls yield for each cache of /proc/slabinfo (slabinfo(5)).
func parseSlabinfo(b []byte, yield func(name []byte, values *[slabFields]uint64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, rest := cutField(line)
		if name == nil || name[0] == '#' || bytes.HasPrefix(line, []byte("slabinfo - version")) {
			continue
		}
		var values [slabFields]uint64
		n, err := parseUints(rest, values[:])
		if err == nil && n < slabFields {
			err = fmt.Errorf("%d numbers, want %d", n, slabFields)
		}
		if err != nil {
			return fmt.Errorf("/proc/slabinfo: %s: %w", name, err)
		}
		yield(name, &values)
	}
	return nil
}

// openSlabinfo needs root.
func openSlabinfo(s *sources) (reader, error) {
	skip, err := s.o.Slabs.only()
	if err != nil {
		return nil, err
	}
	f := s.proc("slabinfo")
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		return parseSlabinfo(b, func(slab []byte, values *[slabFields]uint64) {
			name := string(slab)
			if skip(name) {
				return
			}
			for i, v := range values {
				w.Add(slabFamilies[i], float64(v), name)
			}
		})
	}, nil
}
