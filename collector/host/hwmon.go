package host

import (
	"errors"
	"fmt"
	"io/fs"
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
	families             *named
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
	h := &hwmon{s: s, skipChip: skipChip, skipSensor: skipSensor, chips: make(devices[*chip]), families: newNamed(sensorFamilies)}
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
