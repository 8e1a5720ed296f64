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

// parseVMStat calls yield for each line of /proc/vmstat (mm/vmstat.c).
func parseVMStat(b []byte, yield func(field, value []byte) error) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		field, rest := cutField(line)
		if field == nil {
			continue
		}
		value, _ := cutField(rest)
		if err := yield(field, value); err != nil {
			return fmt.Errorf("/proc/vmstat: %s: %w", field, err)
		}
	}
	return nil
}

func openVMStat(s *sources) (reader, error) {
	fields, err := compile(s.o.VMStatFields)
	if err != nil {
		return nil, fmt.Errorf("fields: %w", err)
	}
	f := s.proc("vmstat")
	byField := make(map[string]*collector.Family) // nil for what is left out
	for _, family := range vmstatFamilies {
		field := family.Name[len("node_vmstat_"):]
		if byField[field] = family; fields != nil && !fields.MatchString(field) {
			byField[field] = nil
		}
	}
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		return parseVMStat(b, func(field, value []byte) error {
			family, known := byField[string(field)]
			if !known {
				name := string(field)
				if fields == nil || fields.MatchString(name) {
					family = vmstatFamily(name, "Field "+name+" of /proc/vmstat.")
				}
				byField[name] = family
			}
			if family == nil {
				return nil
			}
			n, err := parseUint(value)
			if err != nil {
				return err
			}
			w.Add(family, float64(n))
			return nil
		})
	}, nil
}
