package host

import (
	"errors"
	"regexp"
	"strconv"

	godbus "github.com/godbus/dbus/v5"

	"github.com/chronoops/chronoops/collector"
)

// manager is what systemd has told.
type manager struct {
	version, virtualization, state string

	stateErr error
	units    []unit
}

// unit is a unit that is loaded or referred to.
type unit struct {
	name, load, active string
	path               godbus.ObjectPath

	skipped bool
	typ     string
	values  []unitValue
}

type unitValue struct {
	family *collector.Family
	value  float64
}

// parseUnits reads the answer to ListUnits: name, description, load state, active state, sub state, the unit that is
// followed, path, and the job.
func parseUnits(body []any) ([]unit, error) {
	if len(body) != 1 {
		return nil, errors.New("no list in the answer")
	}
	rows, ok := body[0].([][]any)
	if !ok {
		return nil, errors.New("the answer is no list of units")
	}
	units := make([]unit, len(rows))
	for i, row := range rows {
		u, ok := &units[i], [4]bool{}
		if len(row) > 6 {
			u.name, ok[0] = row[0].(string)
			u.load, ok[1] = row[2].(string)
			u.active, ok[2] = row[3].(string)
			u.path, ok[3] = row[6].(godbus.ObjectPath)
		}
		if ok != [4]bool{true, true, true, true} {
			return nil, errors.New("a unit in the answer is not as expected")
		}
	}
	return units, nil
}

func (m *manager) record(w *collector.Writer) error {
	number, text := parseVersion(m.version)
	w.Add(systemdVer, number, text)
	virtualization := m.virtualization
	if virtualization == "" {
		virtualization = "none"
	}
	w.Add(systemdVirt, 1, virtualization)
	counts := make(map[string]int)
	for _, state := range activeStates {
		counts[state] = 0
	}
	for _, u := range m.units {
		counts[u.active]++
		if u.skipped {
			continue
		}
		for _, state := range activeStates {
			w.Add(unitState, bool01(u.active == state), u.name, state, u.typ)
		}
		for _, v := range u.values {
			w.Add(v.family, v.value, u.name)
		}
	}
	for state, n := range counts {
		w.Add(unitStates, float64(n), state)
	}
	if m.stateErr == nil {
		w.Add(systemdUp, bool01(m.state == "running"))
	}
	return m.stateErr
}

var versionNumber = regexp.MustCompile(`[0-9]{3,}(\.[0-9]+)?`)

// parseVersion returns the number in systemd's version, which distributions write in many ways; 0 if there is none.
func parseVersion(version string) (float64, string) {
	n, err := strconv.ParseFloat(versionNumber.FindString(version), 64)
	if err != nil {
		return 0, ""
	}
	return n, version
}
