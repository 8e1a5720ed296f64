package host

import (
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	multipathInfo   = gauge("node_dmmultipath_device_info", "What is known about the multipath device.", "device", "sysfs_name", "uuid")
	multipathActive = gauge("node_dmmultipath_device_active", "1 if the multipath device is in use, 0 if it is suspended.", "device", "sysfs_name")
	multipathSize   = gauge("node_dmmultipath_device_size_bytes", "Size of the multipath device.", "device", "sysfs_name")
	multipathPaths  = gauge("node_dmmultipath_device_paths", "Paths of the multipath device.", "device", "sysfs_name")
	multipathUp     = gauge("node_dmmultipath_device_paths_active", "Paths of the multipath device whose state is running or live.", "device", "sysfs_name")
	multipathDown   = gauge("node_dmmultipath_device_paths_failed", "Paths of the multipath device in any other state.", "device", "sysfs_name")
	multipathState  = gauge("node_dmmultipath_path_state", "State of the disk that is a path of the multipath device.", "device", "path", "state")
)

var multipathArea = area{
	name: "dmmultipath", open: openMultipath,
	families: []*collector.Family{multipathInfo, multipathActive, multipathSize, multipathPaths, multipathUp, multipathDown, multipathState},
}

// mapped is what a device mapper volume is called.
type mapped struct{ uuid, name string }

// openMultipath reads /sys/block/dm-*. A path that does not tell its state counts as neither active nor failed.
func openMultipath(s *sources) (reader, error) {
	volumes := make(devices[mapped])
	look := func(path string) (m mapped, err error) {
		if m.uuid, err = s.attribute(path + "/dm/uuid"); err != nil || !m.isMultipath() {
			return m, err
		}
		m.name, err = s.attribute(path + "/dm/name")
		return m, err
	}
	return func(w *collector.Writer) error {
		dir := s.sysPath("block")
		names, err := s.dir(dir)
		if err != nil {
			return err
		}
		defer volumes.forget(s)
		var failed failures
		for _, name := range names {
			if !strings.HasPrefix(name, "dm-") {
				continue
			}
			m, err := volumes.get(s, dir+"/"+name, look)
			if failed.add(err) && m.isMultipath() {
				s.recordMultipath(w, &failed, dir, name, m)
			}
		}
		return failed.err()
	}, nil
}

func (m mapped) isMultipath() bool { return strings.HasPrefix(m.uuid, "mpath-") }

func (s *sources) recordMultipath(w *collector.Writer, failed *failures, dir, dm string, m mapped) {
	path, name := dir+"/"+dm, m.name
	w.Add(multipathInfo, 1, name, dm, m.uuid)
	if suspended, err := s.integer(path+"/dm/suspended", 10); failed.add(err) {
		w.Add(multipathActive, bool01(suspended != 1), name, dm)
	}
	if size, err := s.integer(path+"/size", 10); failed.add(err) {
		w.Add(multipathSize, size*512, name, dm)
	}
	disks, err := readDir(path + "/slaves")
	failed.add(err)
	var up, down float64
	for _, disk := range disks {
		state, err := s.attribute(dir + "/" + disk + "/device/state")
		if !failed.add(err) {
			continue
		}
		if state == "running" || state == "live" {
			up++
		} else {
			down++
		}
		w.Add(multipathState, 1, name, disk, state)
	}
	w.Add(multipathPaths, float64(len(disks)), name, dm)
	w.Add(multipathUp, up, name, dm)
	w.Add(multipathDown, down, name, dm)
}
