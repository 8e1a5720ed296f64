// Package hosttest writes the files of made-up machines, as their kernels would show them below /proc and /sys, and
// runs node_exporter over them.
//
// What is written depends on the arguments alone.
package hosttest

import (
	"fmt"
	"path/filepath"
)

// Paths are the folders of a machine.
type Paths struct {
	Proc, Sys, Root, Udev string
	Textfile              string // metrics for the textfile collector
}

// Size says how large a machine is, beyond the devices that each has.
type Size struct {
	CPUs       int // a multiple of four: two sockets, two threads a core
	Disks      int // whole block devices, each with a partition
	Interfaces int
	Mounts     int
}

// Small writes a machine that has one or two of every kind of device, so that each family of the default collectors is
// there. A few devices are broken in ways that collectors must live with.
func Small(dir string) (Paths, error) { return write(dir, Size{CPUs: 4}) }

// Large writes the machine of Small grown to size, e.g. a host of many containers.
func Large(dir string, size Size) (Paths, error) { return write(dir, size) }

func write(dir string, size Size) (Paths, error) {
	if size.CPUs <= 0 || size.CPUs%4 != 0 {
		return Paths{}, fmt.Errorf("%d CPUs: want a multiple of four", size.CPUs)
	}
	t := &tree{dir: dir, made: make(map[string]bool)}
	system(t)
	processes(t, size.CPUs)
	processors(t, size.CPUs)
	interrupts(t, size.CPUs)
	memory(t)
	nics := interfaces(t, size.Interfaces)
	traffic(t, size.CPUs, nics)
	disks(t, size.Disks)
	arrays(t)
	nvme(t)
	mounts(t, size.Mounts)
	xfs(t)
	sensors(t, size.CPUs)
	hardware(t)
	if t.err != nil {
		return Paths{}, fmt.Errorf("write the files of a machine: %w", t.err)
	}
	return Paths{
		Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys"), Root: filepath.Join(dir, "root"),
		Udev: filepath.Join(dir, "udev"), Textfile: filepath.Join(dir, "textfile"),
	}, nil
}

// Flags returns the command line that makes node_exporter read the machine, and read it from files alone: where it
// has a choice, it asks the running kernel by netlink.
func (p Paths) Flags() []string {
	return []string{
		"--path.procfs=" + p.Proc, "--path.sysfs=" + p.Sys, "--path.rootfs=" + p.Root, "--path.udev.data=" + p.Udev,
		"--collector.textfile.directory=" + p.Textfile,
		"--no-collector.netdev.netlink", "--no-collector.arp.netlink",
	}
}
