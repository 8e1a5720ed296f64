package host

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	timeSeconds    = gauge("node_time_seconds", "The host's clock, in Unix time.")
	timeZone       = gauge("node_time_zone_offset_seconds", "Offset of the host's time zone from UTC.", "time_zone")
	clockAvailable = gauge("node_time_clocksource_available_info", "Clock sources that the kernel could use.", "device", "clocksource")
	clockCurrent   = gauge("node_time_clocksource_current_info", "The clock source that the kernel uses.", "device", "clocksource")
)

var timeArea = area{
	name: "time", families: []*collector.Family{timeSeconds, timeZone, clockAvailable, clockCurrent},
	open: func(s *sources) (reader, error) { return s.recordTime, nil },
}

func (s *sources) recordTime(w *collector.Writer) error {
	now := s.now()
	w.Add(timeSeconds, float64(now.UnixNano())/1e9)
	zone, offset := now.Zone()
	w.Add(timeZone, float64(offset), zone)

	dir := s.sysPath("devices/system/clocksource")
	names, err := s.dir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no sysfs in a container
	} else if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, "clocksource") })
	for i, name := range names {
		device := strconv.Itoa(i)
		available, err := s.attribute(dir + "/" + name + "/available_clocksource")
		if err != nil {
			return err
		}
		for source := range strings.FieldsSeq(available) {
			w.Add(clockAvailable, 1, device, source)
		}
		current, err := s.attribute(dir + "/" + name + "/current_clocksource")
		if err != nil {
			return err
		}
		w.Add(clockCurrent, 1, device, current)
	}
	return nil
}
