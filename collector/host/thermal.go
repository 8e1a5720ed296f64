package host

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	thermalTemp     = gauge("node_thermal_zone_temp", "Temperature of the zone in degrees Celsius.", "zone", "type")
	coolingState    = gauge("node_cooling_device_cur_state", "How strongly the device cools now, from 0; -1 if it is switched off.", "name", "type")
	coolingMaxState = gauge("node_cooling_device_max_state", "How strongly the device can cool.", "name", "type")
)

var thermalArea = area{
	name: "thermal_zone", families: []*collector.Family{thermalTemp, coolingState, coolingMaxState}, open: openThermal,
}

// openThermal reads /sys/class/thermal (Documentation/driver-api/thermal/sysfs-api.rst). A zone without a temperature,
// such as that of a radio which is off, is left out and no failure.
func openThermal(s *sources) (reader, error) {
	types := make(devices[string])
	kind := func(path string) (string, error) { return s.attribute(path + "/type") }
	return func(w *collector.Writer) error {
		dir := s.sysPath("class/thermal")
		names, err := s.dir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		defer types.forget(s)
		var failed failures
		for _, name := range names {
			path := dir + "/" + name
			if zone, ok := numbered(name, "thermal_zone"); ok {
				typ, err := types.get(s, path, kind)
				if !failed.add(err) {
					continue
				}
				if temp, err := s.integer(path+"/temp", 10); err == nil {
					w.Add(thermalTemp, temp/1000, zone, typ)
				}
			} else if cooler, ok := numbered(name, "cooling_device"); ok {
				typ, err := types.get(s, path, kind)
				if !failed.add(err) {
					continue
				}
				if state, err := s.integer(path+"/cur_state", 10); failed.add(err) {
					w.Add(coolingState, state, cooler, typ)
				}
				if most, err := s.integer(path+"/max_state", 10); failed.add(err) {
					w.Add(coolingMaxState, most, cooler, typ)
				}
			}
		}
		return failed.err()
	}, nil
}

// numbered returns the number behind prefix.
func numbered(name, prefix string) (number string, ok bool) {
	number, ok = strings.CutPrefix(name, prefix)
	return number, ok && number != "" && number[0] >= '0' && number[0] <= '9'
}
