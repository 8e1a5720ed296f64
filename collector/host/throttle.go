package host

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

var (
	coreThrottles    = counter("node_cpu_core_throttles_total", "Times the core was slowed down because it was too hot.", "core", "package")
	packageThrottles = counter("node_cpu_package_throttles_total", "Times the CPU package was slowed down because it was too hot.", "package")
	throttleFamilies = []*collector.Family{coreThrottles, packageThrottles}
)

// throttle is a counter of a core or a package, which all its CPUs show alike.
type throttle struct {
	family *collector.Family
	labels []string
	f      *file
}

// cpuThrottles reads thermal_throttle, which x86 has. Cores and packages are looked up when CPUs come or go.
func cpuThrottles(s *sources) reader {
	files := fileSet{s: s}
	var throttles []throttle
	version := 0
	return func(w *collector.Writer) error {
		ids, v, err := s.onlineCPUs()
		if err != nil {
			return err
		}
		if v != version {
			files.reset()
			throttles, version = findThrottles(&files, ids), v
		}
		var errs []error
		for _, t := range throttles {
			n, err := s.number(t.f)
			if err == nil {
				w.Add(t.family, float64(n), t.labels...)
			} else if !isAbsent(err) {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
}

func findThrottles(files *fileSet, cpus []int) []throttle {
	var found []throttle
	cores, packages := make(map[[2]string]bool), make(map[string]bool)
	for _, cpu := range cpus {
		dir := files.s.cpuPath("cpu" + strconv.Itoa(cpu))
		pkg, err := files.s.topology(dir, "physical_package_id")
		if err != nil {
			continue
		}
		core, err := files.s.topology(dir, "core_id")
		if err != nil {
			continue
		}
		if key := [2]string{pkg, core}; !cores[key] {
			if f := files.addPresent(dir + "/thermal_throttle/core_throttle_count"); f != nil {
				found, cores[key] = append(found, throttle{coreThrottles, []string{core, pkg}, f}), true
			}
		}
		if !packages[pkg] {
			if f := files.addPresent(dir + "/thermal_throttle/package_throttle_count"); f != nil {
				found, packages[pkg] = append(found, throttle{packageThrottles, []string{pkg}, f}), true
			}
		}
	}
	return found
}

// topology returns a number of a CPU's topology; virtual machines may have -1.
func (s *sources) topology(cpu, name string) (string, error) {
	id, err := s.attribute(cpu + "/topology/" + name)
	if err != nil {
		return "", err
	}
	if _, err := parseUint([]byte(id)); err != nil {
		return "", fmt.Errorf("%s of %s: %w", name, cpu, err)
	}
	return id, nil
}
