package host

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// network says what the host's network namespace is to this process.
type network int

const (
	ownNetwork     network = iota // its own: netlink shows the host
	foreignNetwork                // another one, as in a container
	unknownNetwork                // the host's process 1 cannot be looked at, or there is none
)

// network compares the namespaces of this process and of the host's process 1.
func (o Options) network() network {
	if !o.elsewhere() {
		if filepath.Clean(o.SysFS) == "/sys" {
			return ownNetwork
		}
		return unknownNetwork // /proc/1 may be a container's, the other sysfs its host's
	}
	var mount unix.Statfs_t
	if err := unix.Statfs(o.ProcFS, &mount); err != nil || mount.Type != unix.PROC_SUPER_MAGIC {
		return unknownNetwork
	}
	// A file below net is the same wherever its namespace is looked at. To read /proc/1/ns/net needs privileges.
	var ours, theirs unix.Stat_t
	if err := unix.Stat("/proc/thread-self/net/dev", &ours); err != nil {
		return unknownNetwork
	}
	if err := unix.Stat(filepath.Join(o.ProcFS, "1/net/dev"), &theirs); err != nil {
		return unknownNetwork
	}
	if ours.Ino != theirs.Ino {
		return foreignNetwork
	}
	return ownNetwork
}

// sharesNamespace compares a namespace of this process (namespaces(7)) with that of the host's process 1, which not
// everybody may look at.
func (o Options) sharesNamespace(kind string) (bool, error) {
	theirs, err := os.Readlink(filepath.Join(o.ProcFS, "1/ns", kind))
	if err != nil {
		return false, err
	}
	ours, err := os.Readlink(filepath.Join("/proc/self/ns", kind))
	return ours == theirs, err
}
