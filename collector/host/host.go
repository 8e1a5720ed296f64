// Package host reads a Linux host from /proc, /sys and system calls, with the names, labels and types of node_exporter.
//
// Each kernel area is a file of this package. Areas are read in groups that are collectors of their own, so that what
// may be slow or hang (sensors, file systems, D-Bus) costs its own samples only.
package host

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// The defaults of node_exporter for what is left out, and for the counters that are taken.
const (
	DefaultMountPointsExclude = `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`
	DefaultFSTypesExclude     = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$`
	DefaultDisksExclude       = `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`
	DefaultUnitsInclude       = `.+`
	DefaultUnitsExclude       = `.+\.(automount|device|mount|scope|slice)`
	DefaultNetstatFields      = `^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$`
	DefaultVMStatFields       = `^(oom_kill|pgpg|pswp|pg.*fault).*`
)

// Options say where the host's files are and what of it is read. Start from Defaults.
type Options struct {
	ProcFS   string // --path.procfs
	SysFS    string // --path.sysfs
	RootFS   string // --path.rootfs: where the host's root is mounted, for a collector in a container
	UdevData string // --path.udev.data

	MountPoints  Filter
	FSTypes      Filter
	Disks        Filter
	ARP          Filter // network devices
	NetDevs      Filter // of netdev
	NetClass     Filter // network devices of netclass
	HwmonChips   Filter
	HwmonSensors Filter
	Power        Filter // power supplies
	Interrupts   Filter
	Slabs        Filter // of slabinfo
	Units        Filter // of systemd, matched as a whole

	NetstatFields string // regular expressions of PROTOCOL_COUNTER
	VMStatFields  string

	CPUGuest          bool   // node_cpu_guest_seconds_total
	CPUInfo           bool   // node_cpu_info
	CPUFlags, CPUBugs string // regular expressions of those in node_cpu_flag_info and node_cpu_bug_info; imply CPUInfo
	Softirqs          bool   // node_softirqs_total
	InterruptZeros    bool   // interrupts that never happened too
	InvalidSpeed      bool   // node_network_speed_bytes of devices that do not know theirs
	UnitTasks         bool   // tasks of systemd units
	UnitRestarts      bool   // restarts of systemd services
	UnitStart         bool   // when systemd units became active

	TextfileDirs []string      // patterns of folders with *.prom files
	MountTimeout time.Duration // after which a mount point that does not answer is reported as failed
	Logger       *slog.Logger
}

// Defaults returns the options for the host that the process runs on.
func Defaults() Options {
	return Options{
		ProcFS: "/proc", SysFS: "/sys", RootFS: "/", UdevData: "/run/udev/data",
		MountPoints:    Filter{Exclude: DefaultMountPointsExclude},
		FSTypes:        Filter{Exclude: DefaultFSTypesExclude},
		Disks:          Filter{Exclude: DefaultDisksExclude},
		Units:          Filter{Include: DefaultUnitsInclude, Exclude: DefaultUnitsExclude},
		NetstatFields:  DefaultNetstatFields,
		VMStatFields:   DefaultVMStatFields,
		CPUGuest:       true,
		InterruptZeros: true,
		InvalidSpeed:   true,
		MountTimeout:   5 * time.Second,
		Logger:         slog.New(slog.DiscardHandler),
	}
}

// elsewhere reports whether the host's procfs is not this process's own, which is so in a container.
func (o Options) elsewhere() bool { return filepath.Clean(o.ProcFS) != "/proc" }

// netDir is the folder below procfs that shows the host's network. In a procfs mounted from elsewhere, "net" would
// still be this process's own network namespace; that of process 1 is the host's.
func (o Options) netDir() string {
	if o.elsewhere() {
		if _, err := readDir(filepath.Join(o.ProcFS, "1/net")); err == nil {
			return "1/net"
		}
	}
	return "net"
}

// kernelAreas are read from files and calls that the kernel answers at once.
func kernelAreas() []area {
	return append([]area{
		cpuArea,
		cpufreqArea,
		statArea,
		meminfoArea,
		loadArea,
		diskArea,
		unameArea,
		timeArea,
		timexArea,
		entropyArea,
		filefdArea,
		kernelHungArea,
		mdadmArea,
		osArea,
		pressureArea,
		schedstatArea,
		selinuxArea,
		vmstatArea,
		xfsArea,
		interruptsArea,
		processesArea,
		softirqsArea,
		cgroupsArea,
		ksmdArea,
		buddyinfoArea,
		zoneinfoArea,
		meminfoNumaArea,
		slabinfoArea,
		vulnerabilitiesArea,
	}, networkAreas()...)
}

// networkAreas are the part of kernelAreas that belongs to a network namespace.
func networkAreas() []area {
	return []area{
		netdevArea,
		netclassArea,
		netstatArea,
		sockstatArea,
		softnetArea,
		udpQueuesArea,
		arpArea,
		conntrackArea,
		bondingArea,
		tcpstatArea,
	}
}

// hardwareAreas ask devices through sysfs, some of which take their time to answer; those that may take most come last.
func hardwareAreas() []area {
	return []area{
		dmiArea,
		nvmeArea,
		edacArea,
		watchdogArea,
		multipathArea,
		raplArea,
		powerArea,
		thermalArea,
		hwmonArea,
	}
}

// Source is one of the host's collectors.
type Source struct {
	Name      string // in logs
	Collector interface {
		collector.Collector
		Close()
	}
}

// New returns the host's collectors. Nothing is opened before the first collection.
func New(o Options) ([]Source, error) {
	kernel, kernelErr := newGroup(newSources(o), kernelAreas())
	hardware, hardwareErr := newGroup(newSources(o), hardwareAreas())
	filesystem, fsErr := NewFilesystem(o)
	systemd, systemdErr := NewSystemd(o)
	if err := errors.Join(kernelErr, hardwareErr, fsErr, systemdErr); err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return []Source{
		{"host", kernel},
		{"host/hardware", hardware},
		{"host/filesystem", filesystem},
		{"host/textfile", NewTextfile(o)},
		{"host/systemd", systemd},
	}, nil
}

// Parts returns what the host's collectors can select, for flags and the metric reference.
func Parts() []collector.Part {
	return slices.Concat(
		partsOf(kernelAreas()), partsOf(hardwareAreas()),
		(*Filesystem)(nil).Parts(), (*Textfile)(nil).Parts(), (*Systemd)(nil).Parts(),
	)
}
