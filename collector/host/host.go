// Package host reads a Linux host from /proc, /sys and statfs, with the names, labels and types of node_exporter.
//
// Kernel reads kernel files, which never hang. Filesystem asks the file systems themselves, which may, and is
// therefore a collector of its own.
package host

import (
	"fmt"
	"log/slog"
	"regexp"
	"time"
)

// The defaults of node_exporter for what is left out.
const (
	DefaultMountPointsExclude = `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`
	DefaultFSTypesExclude     = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$`
	DefaultDisksExclude       = `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`
)

// Options say where the host's files are and what of it is left out. Start from Defaults.
type Options struct {
	ProcFS   string // --path.procfs
	SysFS    string // --path.sysfs
	RootFS   string // --path.rootfs: where the host's root is mounted, for a collector in a container
	UdevData string // --path.udev.data

	MountPointsExclude string // regular expressions; empty excludes nothing
	FSTypesExclude     string
	DisksExclude       string
	NetDevsExclude     string

	MountTimeout time.Duration // after which a mount point that does not answer is reported as failed
	Logger       *slog.Logger
}

// Defaults returns the options for the host that the process runs on.
func Defaults() Options {
	return Options{
		ProcFS: "/proc", SysFS: "/sys", RootFS: "/", UdevData: "/run/udev/data",
		MountPointsExclude: DefaultMountPointsExclude,
		FSTypesExclude:     DefaultFSTypesExclude,
		DisksExclude:       DefaultDisksExclude,
		MountTimeout:       5 * time.Second,
		Logger:             slog.New(slog.DiscardHandler),
	}
}

// exclude compiles a regular expression of names to leave out.
func exclude(what, expr string) (func(name string) bool, error) {
	if expr == "" {
		return func(string) bool { return false }, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("regular expression of %s to exclude: %w", what, err)
	}
	return re.MatchString, nil
}
