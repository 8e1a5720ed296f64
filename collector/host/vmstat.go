package host

import (
	"fmt"

	"github.com/chronoops/chronoops/collector"
)

var vmstatArea = area{name: "vmstat", families: vmstatFamilies, open: openVMStat}

// vmstatFamilies are those taken by default; any other field of the file has a family as soon as it is asked for.
var vmstatFamilies = []*collector.Family{
	vmstatFamily("oom_kill", "Processes killed for lack of memory."),
	vmstatFamily("pgfault", "Page faults."),
	vmstatFamily("pgmajfault", "Page faults that needed I/O."),
	vmstatFamily("pgpgin", "Kibibytes read from block devices."),
	vmstatFamily("pgpgout", "Kibibytes written to block devices."),
	vmstatFamily("pswpin", "Pages read from swap."),
	vmstatFamily("pswpout", "Pages written to swap."),
}

func vmstatFamily(field, help string) *collector.Family {
	return untyped("node_vmstat_"+field, help)
}

func openVMStat(s *sources) (reader, error) {
	wanted, err := compile(s.o.VMStatFields)
	if err != nil {
		return nil, fmt.Errorf("fields: %w", err)
	}
	families := newNamed(vmstatFamilies)
	family := func(field string) *collector.Family {
		if wanted != nil && !wanted.MatchString(field) {
			return nil
		}
		return vmstatFamily(field, "Field "+field+" of /proc/vmstat.")
	}
	f := s.proc("vmstat")
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		err = parsePairs(b, func(field, value []byte) error {
			f := families.get(field, family)
			if f == nil {
				return nil
			}
			n, err := parseUint(value)
			if err == nil {
				w.Add(f, float64(n))
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("/proc/vmstat: %w", err)
		}
		return nil
	}, nil
}
