package host

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	timeSeconds     = gauge("node_time_seconds", "The host's clock, in Unix time.")
	timeZone        = gauge("node_time_zone_offset_seconds", "Offset of the host's time zone from UTC.", "time_zone")
	clockAvailable  = gauge("node_time_clocksource_available_info", "Clock sources that the kernel could use.", "device", "clocksource")
	clockCurrent    = gauge("node_time_clocksource_current_info", "The clock source that the kernel uses.", "device", "clocksource")
	timeFamilies    = []*collector.Family{timeSeconds, timeZone, clockAvailable, clockCurrent}
	clocksourcesDir = "devices/system/clocksource"
)

func (k *Kernel) recordTime(w *collector.Writer) error {
	now := k.now()
	w.Add(timeSeconds, float64(now.UnixNano())/1e9)
	zone, offset := now.Zone()
	w.Add(timeZone, float64(offset), zone)

	dir := filepath.Join(k.o.SysFS, clocksourcesDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil // no sysfs in a container
	} else if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "clocksource") {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	for i, name := range names {
		device := strconv.Itoa(i)
		if k.small, err = readFile(filepath.Join(dir, name, "available_clocksource"), k.small); err != nil {
			return err
		}
		for source := range strings.FieldsSeq(string(k.small)) {
			w.Add(clockAvailable, 1, device, source)
		}
		if k.small, err = readFile(filepath.Join(dir, name, "current_clocksource"), k.small); err != nil {
			return err
		}
		w.Add(clockCurrent, 1, device, strings.TrimSpace(string(k.small)))
	}
	return nil
}
