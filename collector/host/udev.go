package host

import (
	"cmp"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

var (
	diskInfo = gauge("node_disk_info", "What udev knows about the disk.",
		"device", "major", "minor", "path", "wwn", "model", "serial", "revision", "rotational")
	diskFilesystem = gauge("node_disk_filesystem_info", "The file system that udev found on the disk.",
		"device", "type", "usage", "uuid", "version")
	diskMapper = gauge("node_disk_device_mapper_info", "What udev knows about the device mapper volume.",
		"device", "name", "uuid", "vg_name", "lv_name", "lv_layer")
	diskWriteCache        = gauge("node_disk_ata_write_cache", "1 if the ATA disk has a write cache.", "device")
	diskWriteCacheEnabled = gauge("node_disk_ata_write_cache_enabled", "1 if the write cache of the ATA disk is on.", "device")
	diskRotationRate      = gauge("node_disk_ata_rotation_rate_rpm", "Rotations per minute of the ATA disk, 0 for solid state.", "device")

	udevFamilies = []*collector.Family{
		diskInfo, diskFilesystem, diskMapper, diskWriteCache, diskWriteCacheEnabled, diskRotationRate,
	}
)

// udevProperties are the properties (E:) of a device in udev's database, by name.
type udevProperties map[string]string

// parseUdev reads a file of /run/udev/data.
func parseUdev(data string) udevProperties {
	props := make(udevProperties)
	for line := range strings.Lines(data) {
		if property, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "E:"); ok {
			if name, value, ok := strings.Cut(property, "="); ok {
				props[name] = value
			}
		}
	}
	return props
}

// diskFacts is what is known about a disk besides its counters, looked up when udev's data changed, and every minute.
type diskFacts struct {
	name, major, minor string

	data   string // udev's file
	id     fileID // of data when it was read
	looked time.Time
	facts  []fact
}

// fact is a sample that stays the same.
type fact struct {
	series *collector.Series
	value  float64
}

func newDiskFacts(s *sources, d *disk) diskFacts {
	major, minor := strconv.FormatUint(d.major, 10), strconv.FormatUint(d.minor, 10)
	return diskFacts{name: string(d.name), major: major, minor: minor, data: s.o.UdevData + "/b" + major + ":" + minor}
}

// record looks the facts up if need be. Without udev there are only the numbers.
func (d *diskFacts) record(s *sources, w *collector.Writer) {
	id, err := statFile(d.data)
	if d.facts == nil || id != d.id || !s.recent(d.looked) {
		var props udevProperties
		var b []byte
		if err == nil {
			b, err = s.read(d.data)
		}
		if err == nil {
			props = parseUdev(string(b))
		} else if !errors.Is(err, fs.ErrNotExist) {
			s.o.Logger.Debug("Cannot read udev's data about a disk", "device", d.name, "err", err)
		}
		d.id, d.looked = id, s.now()
		d.facts = d.find(w, props, s.rotational(d.name))
	}
	for _, f := range d.facts {
		f.series.Set(f.value)
	}
}

func (d *diskFacts) find(w *collector.Writer, props udevProperties, rotational string) []fact {
	var facts []fact
	add := func(f *collector.Family, v float64, lv ...string) { facts = append(facts, fact{w.Series(f, lv...), v}) }
	serial := cmp.Or(props["SCSI_IDENT_SERIAL"], props["ID_SERIAL_SHORT"], props["ID_SERIAL"])
	add(diskInfo, 1, d.name, d.major, d.minor, props["ID_PATH"], props["ID_WWN"], props["ID_MODEL"], serial, props["ID_REVISION"], rotational)
	if t := props["ID_FS_TYPE"]; t != "" {
		add(diskFilesystem, 1, d.name, t, props["ID_FS_USAGE"], props["ID_FS_UUID"], props["ID_FS_VERSION"])
	}
	if name := props["DM_NAME"]; name != "" {
		add(diskMapper, 1, d.name, name, props["DM_UUID"], props["DM_VG_NAME"], props["DM_LV_NAME"], props["DM_LV_LAYER"])
	}
	if props["ID_ATA"] == "" {
		return facts
	}
	for _, p := range []struct {
		name string
		f    *collector.Family
	}{
		{"ID_ATA_WRITE_CACHE", diskWriteCache},
		{"ID_ATA_WRITE_CACHE_ENABLED", diskWriteCacheEnabled},
		{"ID_ATA_ROTATION_RATE_RPM", diskRotationRate},
	} {
		if v, err := strconv.ParseFloat(props[p.name], 64); err == nil {
			add(p.f, v, d.name)
		}
	}
	return facts
}

// rotational returns "1" for a disk that turns, "0" for any other or if the kernel does not tell.
func (s *sources) rotational(dev string) string {
	// A slash in a device's name is an exclamation mark in sysfs.
	path := s.sysPath("block", strings.ReplaceAll(dev, "/", "!"), "queue/rotational")
	if turns, err := s.attribute(path); err == nil && turns == "1" {
		return "1"
	}
	return "0"
}
