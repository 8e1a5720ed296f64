package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

var (
	timeSeconds    = gauge("node_time_seconds", "The host's clock, in Unix time.")
	timeZone       = gauge("node_time_zone_offset_seconds", "Offset of the host's time zone from UTC.", "time_zone")
	clockAvailable = gauge("node_time_clocksource_available_info", "Clock sources that the kernel could use.", "device", "clocksource")
	clockCurrent   = gauge("node_time_clocksource_current_info", "The clock source that the kernel uses.", "device", "clocksource")
)

var timeArea = area{
	name: "time", families: []*collector.Family{timeSeconds, timeZone, clockAvailable, clockCurrent}, open: openTime,
}

func openTime(s *sources) (reader, error) {
	zone := hostZone{s: s, f: s.rootFile("/etc/localtime")}
	clocks := clockSources{s: s, files: fileSet{s: s}}
	return func(w *collector.Writer) error {
		now := s.now()
		w.Add(timeSeconds, float64(now.UnixNano())/1e9)
		name, offset := zone.at(now)
		w.Add(timeZone, float64(offset), name)
		err := clocks.record(w)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // no sysfs in a container
		}
		return err
	}, nil
}

// hostZone is the host's time zone, which in a container is read from its root file system.
type hostZone struct {
	s    *sources
	f    *rootFile
	zone *time.Location // nil if unknown
}

func (z *hostZone) at(now time.Time) (name string, offset int) {
	if filepath.Clean(z.s.o.RootFS) != "/" {
		b, changed, err := z.f.read()
		if err != nil {
			z.zone = nil
		} else if changed {
			if z.zone, err = time.LoadLocationFromTZData("", b); err != nil {
				z.zone = nil
			}
		}
		if z.zone != nil {
			now = now.In(z.zone)
		}
	}
	return now.Zone()
}

// clockSource is a device of /sys/devices/system/clocksource.
type clockSource struct {
	device             string // a number
	available, current *file
	list, inUse        string
	sources            []string // of list
}

type clockSources struct {
	s       *sources
	files   fileSet
	devices []clockSource
}

// find looks for the devices, of which every kernel has one.
func (c *clockSources) find() error {
	dir := c.s.sysPath("devices/system/clocksource")
	names, err := c.s.dir(dir)
	if err != nil {
		return err
	}
	c.files.reset()
	for _, name := range names {
		if strings.HasPrefix(name, "clocksource") {
			c.devices = append(c.devices, clockSource{
				device:    strconv.Itoa(len(c.devices)),
				available: c.files.add(dir + "/" + name + "/available_clocksource"),
				current:   c.files.add(dir + "/" + name + "/current_clocksource"),
			})
		}
	}
	return nil
}

func (c *clockSources) record(w *collector.Writer) error {
	if len(c.devices) == 0 {
		if err := c.find(); err != nil {
			return err
		}
	}
	for i := range c.devices {
		d := &c.devices[i]
		b, err := c.s.content(d.available)
		if err != nil {
			return fmt.Errorf("clock sources: %w", err)
		}
		if string(b) != d.list {
			d.list = string(b)
			d.sources = strings.Fields(d.list)
		}
		for _, source := range d.sources {
			w.Add(clockAvailable, 1, d.device, source)
		}
		if b, err = c.s.content(d.current); err != nil {
			return fmt.Errorf("current clock source: %w", err)
		}
		if string(b) != d.inUse {
			d.inUse = string(b)
		}
		w.Add(clockCurrent, 1, d.device, strings.TrimSpace(d.inUse))
	}
	return nil
}
