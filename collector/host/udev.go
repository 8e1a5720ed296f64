package host

import (
	"cmp"
	"errors"
	"io/fs"
	"strconv"
	"strings"

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

// recordUdev records what is known about a disk besides its counters. Without udev only the numbers are.
func (s *sources) recordUdev(w *collector.Writer, dev string, major, minor uint64) {
	maj, mnr := strconv.FormatUint(major, 10), strconv.FormatUint(minor, 10)
	var props udevProperties
	if b, err := s.read(s.o.UdevData + "/b" + maj + ":" + mnr); err == nil {
		props = parseUdev(string(b))
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.o.Logger.Debug("Cannot read udev's data about a disk", "device", dev, "err", err)
	}
	serial := cmp.Or(props["SCSI_IDENT_SERIAL"], props["ID_SERIAL_SHORT"], props["ID_SERIAL"])
	w.Add(diskInfo, 1, dev, maj, mnr, props["ID_PATH"], props["ID_WWN"], props["ID_MODEL"], serial, props["ID_REVISION"],
		s.rotational(dev))
	if t := props["ID_FS_TYPE"]; t != "" {
		w.Add(diskFilesystem, 1, dev, t, props["ID_FS_USAGE"], props["ID_FS_UUID"], props["ID_FS_VERSION"])
	}
	if name := props["DM_NAME"]; name != "" {
		w.Add(diskMapper, 1, dev, name, props["DM_UUID"], props["DM_VG_NAME"], props["DM_LV_NAME"], props["DM_LV_LAYER"])
	}
	if props["ID_ATA"] == "" {
		return
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
			w.Add(p.f, v, dev)
		}
	}
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
