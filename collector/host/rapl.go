package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// raplFamilies are those of the zones that the kernel's drivers name; others are made in the same way.
var raplFamilies = func() (fs []*collector.Family) {
	for _, zone := range []string{"core", "dram", "package", "psys", "uncore"} {
		fs = append(fs, raplFamily(zone))
	}
	return fs
}()

var raplArea = area{name: "rapl", families: raplFamilies, open: openRAPL}

func raplFamily(zone string) *collector.Family {
	return counter(raplName(zone), "Energy that the power zone "+zone+" has used; the counter wraps around.", "index", "path")
}

func raplName(zone string) string {
	return "node_rapl_" + notInNames.ReplaceAllLiteralString(zone, "_") + "_joules_total"
}

var notInNames = regexp.MustCompile(`_*[^0-9A-Za-z_]+_*`)

// openRAPL reads the energy counters below /sys/class/powercap (Documentation/power/powercap/powercap.rst). Most kernels
// show them to root alone.
func openRAPL(s *sources) (reader, error) {
	zones := make(devices[string])
	families := newNamed(raplFamilies)
	look := func(path string) (string, error) { return s.attribute(path + "/name") }
	return func(w *collector.Writer) error {
		dir := filepath.Join(s.o.SysFS, "class/powercap")
		names, err := s.dir(dir)
		if err != nil {
			return err
		}
		defer zones.forget(s)
		var failed failures
		used := make(map[string]int)
		for _, name := range names {
			path := dir + "/" + name
			zone, err := zones.get(s, path, look)
			if !failed.add(err) {
				continue // no name: this is what the zones belong to
			}
			zone, index := splitZone(zone, used)
			used[zone] = index + 1
			energy, err := s.integer(path+"/energy_uj", 10)
			if errors.Is(err, fs.ErrPermission) {
				return fmt.Errorf("%w: %w", collector.ErrNoData, err)
			}
			if failed.add(err) {
				w.Add(families.get([]byte(zone), raplFamily), energy/micro, strconv.Itoa(index), path)
			}
		}
		return failed.err()
	}, nil
}

// splitZone takes the number off a zone's name. Zones without one are numbered by how many of their name there were.
func splitZone(zone string, used map[string]int) (name string, index int) {
	if name, number, ok := strings.Cut(zone, "-"); ok && !strings.Contains(number, "-") {
		if index, err := strconv.Atoi(number); err == nil {
			return name, index
		}
	}
	return zone, used[zone]
}
