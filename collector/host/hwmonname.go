package host

import (
	"slices"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// sensorKinds are those that are read (Documentation/hwmon/sysfs-interface.rst).
var sensorKinds = []string{
	"vrm", "beep_enable", "update_interval", "in", "cpu", "fan", "pwm", "temp", "curr", "power", "energy", "humidity", "intrusion", "freq",
}

// bareKinds are of the chip rather than of a sensor and have no elements.
var bareKinds = []string{"beep_enable", "vrm", "update_interval"}

// sensorName is what the name of a sensor's file says: temp1_input is kind temp, number 1, element input.
type sensorName struct {
	kind, element string
	number        int
}

// sensor is the label: kind and number.
func (n sensorName) sensor() string { return n.kind + strconv.Itoa(n.number) }

// splitSensor splits a file's name. A kind without a number has number 0. It is false if this is no sensor.
func splitSensor(file string) (n sensorName, ok bool) {
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	i := strings.IndexFunc(file, digit)
	if i < 0 {
		i = len(file)
	}
	rest := strings.TrimLeftFunc(file[i:], digit)
	number := file[i : len(file)-len(rest)]
	n.kind = file[:i]
	switch element, found := strings.CutPrefix(rest, "_"); {
	case rest == "":
	case found && element != "":
		n.element = element
	default:
		// The digits are part of the element.
		if i = strings.LastIndexByte(file[:i], '_'); i < 0 {
			return sensorName{}, false
		}
		n.kind, n.element, number = file[:i], file[i+1:], ""
	}
	if number != "" {
		var err error
		if n.number, err = strconv.Atoi(number); err != nil {
			return sensorName{}, false
		}
	}
	return n, slices.Contains(sensorKinds, n.kind)
}

// sensorRule says how the files of a sensor are exposed.
type sensorRule struct {
	kinds    []string // nil for all
	elements []string // nil for all
	suffix   string   // of the metric's name
	help     string   // what the value is
	unit     sensorUnit
	typ      collector.Type
}

// sensorUnit is what a driver's number is multiplied with and divided by: as upstream does, for the last digit's sake.
type sensorUnit struct{ times, by float64 }

var (
	asIs       = sensorUnit{1, 1}
	milli      = sensorUnit{0.001, 1}
	perMillion = sensorUnit{1, micro}
)

// sensorRules are tried in this order.
var sensorRules = []sensorRule{
	{[]string{"beep_enable"}, []string{""}, "", "1 if the chip may beep", asIs, collector.Gauge},
	{[]string{"vrm"}, []string{""}, "", "version of the voltage regulator", asIs, collector.Gauge},
	{[]string{"update_interval"}, []string{""}, "_seconds", "how often the chip measures", milli, collector.Gauge},
	{nil, []string{"fault", "alarm"}, "", "1 while it is so", asIs, collector.Gauge},
	{nil, []string{"beep"}, "_enabled", "1 if the chip beeps at an alarm", asIs, collector.Gauge},
	{[]string{"in", "cpu"}, nil, "_volts", "in volts", milli, collector.Gauge},
	{[]string{"temp"}, []string{"type"}, "", "type of the sensor", asIs, collector.Gauge},
	{[]string{"temp"}, nil, "_celsius", "in degrees Celsius", milli, collector.Gauge},
	{[]string{"curr"}, nil, "_amps", "in amperes", milli, collector.Gauge},
	{[]string{"energy"}, nil, "_joule_total", "in joules", perMillion, collector.Counter},
	{[]string{"power"}, []string{"accuracy"}, "", "as a ratio", perMillion, collector.Gauge},
	{[]string{"power"}, []string{"average_interval", "average_interval_min", "average_interval_max"}, "_seconds", "in seconds", milli, collector.Gauge},
	{[]string{"power"}, nil, "_watt", "in watts", perMillion, collector.Gauge},
	{[]string{"humidity"}, nil, "", "1/1000 of percent, divided by a million: multiply with 1000 for percent", perMillion, collector.Gauge},
	{[]string{"fan"}, []string{"input", "min", "max", "target"}, "_rpm", "in rotations per minute", asIs, collector.Gauge},
	{[]string{"freq"}, []string{"input"}, "_freq_mhz", "in megahertz; label sensor is made from the driver's label", perMillion, collector.Gauge},
	{nil, nil, "", "as the driver gives it", asIs, collector.Gauge},
}

func (n sensorName) rule() sensorRule {
	i := slices.IndexFunc(sensorRules, func(r sensorRule) bool {
		return (r.kinds == nil || slices.Contains(r.kinds, n.kind)) && (r.elements == nil || slices.Contains(r.elements, n.element))
	})
	return sensorRules[i]
}

// metric returns the name of what the file is exposed as. The element input is left out of it unless the sensor has a
// file without an element too.
func (n sensorName) metric(bare bool) string {
	name := "node_hwmon_" + n.kind
	switch {
	case n.kind == "beep_enable" && n.element == "":
		return "node_hwmon_beep_enabled"
	case n.kind == "vrm" && n.element == "":
		return "node_hwmon_voltage_regulator_version"
	case n.element == "input" && bare:
		name += "_input"
	case n.element != "" && n.element != "input":
		name += "_" + cleanName(n.element)
	}
	return name + n.rule().suffix
}

func (n sensorName) declare(name string) *collector.Family {
	file := n.kind + "*"
	if n.element != "" {
		file += "_" + n.element
	}
	rule := n.rule()
	help := "Hardware sensors' " + file + ", " + rule.help
	if rule.unit != asIs && strings.HasSuffix(n.element, "_alarm") {
		help += "; 1 of an alarm too is divided" // a defect of upstream that is kept
	}
	return &collector.Family{Name: name, Help: help + ".", Type: rule.typ, Labels: []string{"chip", "sensor"}}
}

// cleanName makes a name from what a driver or device calls itself: lower case, underscores for all but letters, digits
// and colons, none at the ends.
func cleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == ':' {
			return r
		}
		return '_'
	}, strings.ToLower(s))
	return strings.Trim(s, "_")
}
