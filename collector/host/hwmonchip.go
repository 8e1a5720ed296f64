package host

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// chip is what does not change about a chip.
type chip struct {
	node   string // hwmon0
	device string // name made from its place among the devices, which drivers loaded in another order do not change
	driver string // its own name

	sensors []*sensor
	label   string          // of its metrics; it depends on the other chips
	skipped map[string]bool // sensors to leave out
}

// sensor is one of its files.
type sensor struct {
	path, name, label string // label is that of the metric, the name for most
	family            *collector.Family
	unit              sensorUnit
	text              string // of hwmonLabel
	flag              bool   // 1 or anything else
	dead              bool   // cannot be opened, or is a folder
}

// unique returns a name that no other chip has: several chips can belong to one device.
func (c *chip) unique(chips []*chip) string {
	same, twins := 0, 0
	for _, other := range chips {
		if other.device == c.device {
			same++
			if other.driver == c.driver {
				twins++
			}
		}
	}
	if same < 2 {
		return c.device
	}
	if driver := cleanName(c.driver); driver != "" && twins < 2 {
		return c.device + "_" + driver
	}
	return c.device + "_" + cleanName(c.node)
}

// look finds out what belongs to a chip. Old drivers have their files in the device's folder.
func (h *hwmon) look(path string) (*chip, error) {
	names, err := readDir(path)
	if err != nil {
		return nil, err
	}
	c := &chip{node: filepath.Base(path), driver: h.s.word(path + "/name")}
	if c.device, err = deviceName(path, c.driver); err != nil {
		return nil, err
	}
	files := make(map[sensorName]string)
	collect := func(dir string, names []string) {
		for _, name := range names {
			if n, ok := splitSensor(name); ok {
				files[n] = dir + "/" + name
			}
		}
	}
	collect(path, names)
	if names, err = readDir(path + "/device"); err != nil && !noValue(err) {
		return nil, err
	}
	collect(path+"/device", names)
	order := slices.SortedFunc(maps.Keys(files), func(a, b sensorName) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), a.number-b.number, strings.Compare(a.element, b.element))
	})
	for _, n := range order {
		if s := h.sensor(n, files); s != nil {
			c.sensors = append(c.sensors, s)
		}
	}
	return c, nil
}

// sensor returns nil for what is not exposed.
func (h *hwmon) sensor(n sensorName, files map[sensorName]string) *sensor {
	s := &sensor{path: files[n], name: n.sensor(), label: n.sensor(), unit: n.rule().unit, flag: n.kind == "beep_enable" && n.element == ""}
	with := func(element string) (path string, ok bool) {
		path, ok = files[sensorName{n.kind, element, n.number}]
		return path, ok
	}
	if n.element == "label" {
		text, err := h.s.read(s.path)
		if err != nil {
			return nil
		}
		s.family, s.text = hwmonLabel, strings.Trim(string(text), "\n") // with the blanks that a driver gives it
		return s
	}
	if n.element != "" && slices.Contains(bareKinds, n.kind) {
		return nil
	}
	_, bare := with("")
	name := n.metric(bare)
	s.family = h.families.get([]byte(name), n.declare)
	if n.kind == "freq" && n.element == "input" {
		path, ok := with("label")
		if !ok {
			return nil
		}
		s.label = cleanName(h.s.word(path))
	}
	return s
}

// deviceName makes a name of the last two parts of a device's path, of the driver's name if there is no device, of the
// chip's number if there is neither.
func deviceName(path, driver string) (string, error) {
	if device, err := filepath.EvalSymlinks(path + "/device"); err == nil {
		name, bus := cleanName(filepath.Base(device)), cleanName(filepath.Base(filepath.Dir(device)))
		if name != "" && bus != "" {
			return bus + "_" + name, nil
		} else if name != "" {
			return name, nil
		}
	}
	if name := cleanName(driver); name != "" {
		return name, nil
	}
	node, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return cleanName(filepath.Base(node)), nil
}
