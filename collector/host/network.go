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
	theirs, err := os.Readlink(filepath.Join(o.ProcFS, "1/ns/net"))
	if err != nil {
		return unknownNetwork
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	switch {
	case err != nil:
		return unknownNetwork
	case ours != theirs:
		return foreignNetwork
	}
	return ownNetwork
}
