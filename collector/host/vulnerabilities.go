package host

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	vulnerabilityInfo = gauge("node_cpu_vulnerabilities_info", "Hardware weaknesses of the CPUs and what the kernel does about them.",
		"codename", "state", "mitigation")
	vulnerabilitiesArea = area{
		name: "cpu_vulnerabilities", optIn: true, families: []*collector.Family{vulnerabilityInfo}, open: openVulnerabilities,
	}
)

// parseVulnerability reads a file of /sys/devices/system/cpu/vulnerabilities (Documentation/ABI/testing/
// sysfs-devices-system-cpu), such as "Mitigation: PTI".
func parseVulnerability(text string) (state, mitigation string) {
	text = strings.TrimSpace(text)
	lower := strings.ToLower(text)
	if strings.HasPrefix(lower, "not affected") {
		return "not affected", ""
	}
	for _, state := range []string{"vulnerable", "mitigation", "unknown"} {
		if strings.HasPrefix(lower, state) {
			words := strings.Fields(text)
			return state, strings.Join(words[1:], " ")
		}
	}
	return "unknown", text
}

// openVulnerabilities reads the files again after a minute only: they change when microcode is loaded.
func openVulnerabilities(s *sources) (reader, error) {
	dir := s.cpuPath("vulnerabilities")
	var known [][]string
	looked := s.now()
	return func(w *collector.Writer) error {
		if known == nil || !s.recent(looked) {
			names, err := s.dir(dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			var found [][]string
			var errs []error
			for _, name := range names {
				text, err := s.attribute(dir + "/" + name)
				if err != nil {
					errs = append(errs, fmt.Errorf("vulnerability %s: %w", name, err))
					continue
				}
				state, mitigation := parseVulnerability(text)
				found = append(found, []string{name, state, mitigation})
			}
			if err := errors.Join(errs...); err != nil {
				return err
			}
			known, looked = found, s.now()
		}
		for _, labels := range known {
			w.Add(vulnerabilityInfo, 1, labels...)
		}
		return nil
	}, nil
}
