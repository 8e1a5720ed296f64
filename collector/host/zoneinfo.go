package host

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

var zoneinfoArea = area{name: "zoneinfo", optIn: true, families: zoneFamilies, open: openZoneinfo}

// zoneFields are the numbers taken of /proc/zoneinfo (mm/vmstat.c), by their name in the file. Those of a whole node
// are in its first zone.
var zoneFields = map[string]*collector.Family{
	"nr_free_pages":                 zoneGauge("nr_free_pages", "Free pages."),
	"min":                           zoneGauge("min_pages", "Free pages below which only the kernel's urgent requests are met."),
	"low":                           zoneGauge("low_pages", "Free pages below which the kernel begins to reclaim."),
	"high":                          zoneGauge("high_pages", "Free pages above which the kernel ceases to reclaim."),
	"scanned":                       zoneGauge("scanned_pages", "Pages scanned since the last reclaim."),
	"spanned":                       zoneGauge("spanned_pages", "Pages between the zone's ends, holes included."),
	"present":                       zoneGauge("present_pages", "Pages of memory in the zone."),
	"managed":                       zoneGauge("managed_pages", "Pages that the allocator manages."),
	"nr_active_anon":                zoneGauge("nr_active_anon_pages", "Anonymous pages used lately."),
	"nr_inactive_anon":              zoneGauge("nr_inactive_anon_pages", "Anonymous pages not used lately."),
	"nr_isolated_anon":              zoneGauge("nr_isolated_anon_pages", "Anonymous pages taken off their list for the moment."),
	"nr_anon_pages":                 zoneGauge("nr_anon_pages", "Anonymous pages mapped into page tables."),
	"nr_anon_transparent_hugepages": zoneGauge("nr_anon_transparent_hugepages", "Transparent huge pages of anonymous memory."),
	"nr_active_file":                zoneGauge("nr_active_file_pages", "Pages of files used lately."),
	"nr_inactive_file":              zoneGauge("nr_inactive_file_pages", "Pages of files not used lately."),
	"nr_isolated_file":              zoneGauge("nr_isolated_file_pages", "Pages of files taken off their list for the moment."),
	"nr_file_pages":                 zoneGauge("nr_file_pages", "Pages of files."),
	"nr_slab_reclaimable":           zoneGauge("nr_slab_reclaimable_pages", "Slab pages that can be reclaimed."),
	"nr_slab_unreclaimable":         zoneGauge("nr_slab_unreclaimable_pages", "Slab pages that cannot be reclaimed."),
	"nr_mlock_stack":                zoneGauge("nr_mlock_stack_pages", "Locked pages found by reclaim."),
	"nr_kernel_stack":               zoneGauge("nr_kernel_stacks", "Kernel stacks."),
	"nr_mapped":                     zoneGauge("nr_mapped_pages", "Pages of files mapped into processes."),
	"nr_dirty":                      zoneGauge("nr_dirty_pages", "Pages waiting to be written."),
	"nr_writeback":                  zoneGauge("nr_writeback_pages", "Pages being written."),
	"nr_unevictable":                zoneGauge("nr_unevictable_pages", "Pages that cannot be reclaimed."),
	"nr_shmem":                      zoneGauge("nr_shmem_pages", "Pages of shared memory and tmpfs."),
	"nr_dirtied":                    zoneCounter("nr_dirtied_total", "Pages that were made dirty."),
	"nr_written":                    zoneCounter("nr_written_total", "Pages written."),
	"numa_hit":                      zoneCounter("numa_hit_total", "Pages allocated on the intended node."),
	"numa_miss":                     zoneCounter("numa_miss_total", "Pages allocated here because the intended node had none."),
	"numa_foreign":                  zoneCounter("numa_foreign_total", "Pages intended for here and allocated on another node."),
	"numa_interleave":               zoneCounter("numa_interleave_total", "Interleaved pages allocated on the intended node."),
	"numa_local":                    zoneCounter("numa_local_total", "Pages allocated for a process that ran on the node."),
	"numa_other":                    zoneCounter("numa_other_total", "Pages allocated for a process that ran on another node."),
}

const zoneProtections = 8 // zones that a kernel may have, and some

var zoneProtection = func() (fs [zoneProtections]*collector.Family) {
	for i := range fs {
		n := strconv.Itoa(i)
		fs[i] = zoneGauge("protection_"+n, "Pages that the zone keeps back from requests that zone number "+n+" could meet.")
	}
	return fs
}()

func zoneGauge(name, help string) *collector.Family {
	return gauge("node_zoneinfo_"+name, help, "node", "zone")
}

func zoneCounter(name, help string) *collector.Family {
	return counter("node_zoneinfo_"+name, help, "node", "zone")
}

// zoneFamilies are ordered by their lines.
var zoneFamilies = func() []*collector.Family {
	fs := slices.Clone(zoneProtection[:])
	for _, field := range slices.Sorted(maps.Keys(zoneFields)) {
		fs = append(fs, zoneFields[field])
	}
	return fs
}()

// parseZoneinfo calls yield for each number that is taken.
func parseZoneinfo(b []byte, yield func(f *collector.Family, node, zone []byte, value float64)) error {
	var node, zone []byte
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		if n, z, _ := cutZone(line); n != nil {
			node, zone = n, z
			continue
		}
		key, rest := cutField(line)
		if string(key) == "protection:" {
			if err := parseProtection(rest, func(i int, pages uint64) { yield(zoneProtection[i], node, zone, float64(pages)) }); err != nil {
				return fmt.Errorf("/proc/zoneinfo: protection: %w", err)
			}
			continue
		}
		family := zoneFields[string(key)]
		if family == nil || node == nil {
			continue
		}
		value, _ := cutField(rest)
		n, err := parseUint(value)
		if err != nil {
			return fmt.Errorf("/proc/zoneinfo: %s: %w", key, err)
		}
		yield(family, node, zone, float64(n))
	}
	return nil
}

// parseProtection reads a list like "(0, 2815, 12143)".
func parseProtection(b []byte, yield func(i int, pages uint64)) error {
	b = bytes.Trim(b, " ()")
	for i := 0; len(b) > 0 && i < zoneProtections; i++ {
		var number []byte
		number, b, _ = bytes.Cut(b, []byte(", "))
		n, err := parseUint(number)
		if err != nil {
			return err
		}
		yield(i, n)
	}
	return nil
}

func openZoneinfo(s *sources) (reader, error) {
	f := s.proc("zoneinfo")
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		return parseZoneinfo(b, func(f *collector.Family, node, zone []byte, value float64) {
			w.Add(f, value, string(node), string(zone))
		})
	}, nil
}
