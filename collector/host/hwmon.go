package host

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

var (
	hwmonChip  = gauge("node_hwmon_chip_names", "What the driver calls the chip.", "chip", "chip_name")
	hwmonLabel = gauge("node_hwmon_sensor_label", "What the driver calls the sensor.", "chip", "sensor", "label")
)

// hwmonFiles are files of sensors that are common. Metrics of others are made by the same rules.
var hwmonFiles = strings.Fields(`
	beep_enable update_interval vrm
	curr1_alarm curr1_crit curr1_input curr1_max curr1_min
	energy1_input
	fan1_alarm fan1_beep fan1_fault fan1_input fan1_manual fan1_max fan1_min fan1_output fan1_pulses fan1_target fan1_tolerance
	freq1_input
	humidity1_input
	in1_alarm in1_beep in1_crit in1_input in1_lcrit in1_max in1_min
	intrusion0_alarm intrusion0_beep
	power1_accuracy power1_average power1_average_interval power1_cap power1_crit power1_input power1_max
	pwm1 pwm1_crit_temp_tolerance pwm1_enable pwm1_floor pwm1_freq pwm1_mode pwm1_start pwm1_step_down_time pwm1_step_up_time
	pwm1_stop_time pwm1_target_temp pwm1_temp_sel pwm1_temp_tolerance pwm1_weight_duty_base pwm1_weight_duty_step
	pwm1_weight_temp_sel pwm1_weight_temp_step pwm1_weight_temp_step_base pwm1_weight_temp_step_tol
	pwm1_auto_point1_pwm pwm1_auto_point1_temp pwm1_auto_point2_pwm pwm1_auto_point2_temp pwm1_auto_point3_pwm
	pwm1_auto_point3_temp pwm1_auto_point4_pwm pwm1_auto_point4_temp pwm1_auto_point5_pwm pwm1_auto_point5_temp
	temp1_alarm temp1_beep temp1_crit temp1_crit_alarm temp1_crit_hyst temp1_fault temp1_input temp1_max temp1_max_alarm
	temp1_max_hyst temp1_min temp1_offset temp1_type
`)

var sensorFamilies = func() []*collector.Family {
	var fs []*collector.Family
	for _, file := range hwmonFiles {
		n, _ := splitSensor(file)
		fs = append(fs, n.declare(n.metric(false)))
	}
	slices.SortFunc(fs, byName)
	return fs
}()

var hwmonArea = area{name: "hwmon", families: append([]*collector.Family{hwmonChip, hwmonLabel}, sensorFamilies...), open: openHwmon}

// hwmon reads /sys/class/hwmon (Documentation/hwmon/sysfs-interface.rst). Drivers fail to read sensors for many reasons
// that nobody can mend: such a sensor is left out, and this is no failure.
type hwmon struct {
	s                    *sources
	skipChip, skipSensor func(name string) bool
	chips                devices[*chip]
	made                 made
}

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

func openHwmon(s *sources) (reader, error) {
	skipChip, err := s.o.HwmonChips.skip()
	if err != nil {
		return nil, fmt.Errorf("chips: %w", err)
	}
	skipSensor, err := s.o.HwmonSensors.skip()
	if err != nil {
		return nil, fmt.Errorf("sensors: %w", err)
	}
	h := &hwmon{s: s, skipChip: skipChip, skipSensor: skipSensor, chips: make(devices[*chip]), made: newMade(sensorFamilies)}
	return h.record, nil
}

func (h *hwmon) record(w *collector.Writer) error {
	dir := h.s.sysPath("class/hwmon")
	names, err := h.s.dir(dir)
	if err != nil {
		return err
	}
	defer h.chips.forget(h.s)
	var failed failures
	chips := make([]*chip, 0, len(names))
	for _, name := range names {
		c, err := h.chips.get(h.s, dir+"/"+name, h.look)
		if errors.Is(err, unix.ENOTDIR) || !failed.add(err) {
			continue
		}
		chips = append(chips, c)
	}
	for _, c := range chips {
		label := c.unique(chips)
		if h.skipChip(label) {
			continue
		}
		h.recordChip(w, c, label)
	}
	return failed.err()
}

func (h *hwmon) recordChip(w *collector.Writer, c *chip, label string) {
	if c.label != label {
		c.label, c.skipped = label, make(map[string]bool)
		for _, sensor := range c.sensors {
			c.skipped[sensor.name] = h.skipSensor(label + ";" + sensor.name)
		}
	}
	if name := cleanName(c.driver); name != "" {
		w.Add(hwmonChip, 1, label, name)
	}
	for _, sensor := range c.sensors {
		if c.skipped[sensor.name] || sensor.dead {
			continue
		}
		if sensor.family == hwmonLabel {
			w.Add(hwmonLabel, 1, label, sensor.label, sensor.text)
			continue
		}
		text, err := h.s.attribute(sensor.path)
		if err != nil {
			sensor.dead = errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EISDIR)
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if sensor.flag {
			v, err = bool01(text == "1"), nil
		}
		if err == nil {
			w.Add(sensor.family, v*sensor.unit.times/sensor.unit.by, label, sensor.label)
		}
	}
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
		var err error
		if s.text, err = h.s.attribute(s.path); err != nil {
			return nil
		}
		s.family = hwmonLabel
		return s
	}
	if n.element != "" && slices.Contains(bareKinds, n.kind) {
		return nil
	}
	_, bare := with("")
	name := n.metric(bare)
	s.family = h.made.get(name, func() *collector.Family { return n.declare(name) })
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
