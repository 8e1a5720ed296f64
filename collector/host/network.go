package host

import (
	"os"
	"path/filepath"
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
	sys := filepath.Clean(o.SysFS) == "/sys"
	if !o.elsewhere() {
		if sys {
			return ownNetwork
		}
		return unknownNetwork // /proc/1 may be a container's, the other sysfs its host's
	}
	same, err := o.sharesNamespace("net")
	switch {
	case err != nil:
		return unknownNetwork
	case !same:
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
