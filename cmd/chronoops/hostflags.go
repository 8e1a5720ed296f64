package main

import (
	"fmt"
	"slices"

	"github.com/alecthomas/kingpin/v2"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/host"
)

// registerHost adds the flags of the host's collectors, which are node_exporter's.
func (f *serveFlags) registerHost(cmd *kingpin.CmdClause) {
	o := &f.host
	*o = host.Defaults()
	cmd.Flag("path.procfs", "Where procfs is mounted.").Default(o.ProcFS).StringVar(&o.ProcFS)
	cmd.Flag("path.sysfs", "Where sysfs is mounted.").Default(o.SysFS).StringVar(&o.SysFS)
	cmd.Flag("path.rootfs", "Where the host's root is mounted.").Default(o.RootFS).StringVar(&o.RootFS)
	cmd.Flag("path.udev.data", "Where udev keeps its database.").Default(o.UdevData).StringVar(&o.UdevData)

	f.hostFilters = nil
	for _, x := range []hostFilter{
		{name: "arp.device", what: "network devices in the ARP cache", to: &o.ARP},
		{name: "diskstats.device", what: "disks", to: &o.Disks},
		{name: "filesystem.mount-points", what: "mount points", to: &o.MountPoints},
		{name: "filesystem.fs-types", what: "file system types", to: &o.FSTypes},
		{name: "hwmon.chip", what: "hwmon chips", to: &o.HwmonChips},
		{name: "hwmon.sensor", what: "hwmon sensors, as CHIP;SENSOR", to: &o.HwmonSensors},
		{name: "interrupts.name", what: "interrupts", to: &o.Interrupts},
		{name: "netdev.device", what: "network devices with counters", to: &o.NetDevs},
		{name: "slabinfo.slabs", what: "slabs", to: &o.Slabs, both: true},
		{name: "systemd.unit", what: "systemd units, matched as a whole", to: &o.Units, both: true},
	} {
		x.register(cmd)
		f.hostFilters = append(f.hostFilters, &x)
	}
	cmd.Flag("collector.netclass.ignored-devices", "Network devices without attributes, as a regular expression.").
		Default(o.NetClass.Exclude).StringVar(&o.NetClass.Exclude)
	cmd.Flag("collector.powersupply.ignored-supplies", "Power supplies to leave out, as a regular expression.").
		Default(o.Power.Exclude).StringVar(&o.Power.Exclude)
	cmd.Flag("collector.netstat.fields", "Network counters to take, as a regular expression of PROTOCOL_COUNTER.").
		Default(o.NetstatFields).StringVar(&o.NetstatFields)
	cmd.Flag("collector.vmstat.fields", "Lines of /proc/vmstat to take, as a regular expression.").
		Default(o.VMStatFields).StringVar(&o.VMStatFields)
	cmd.Flag("collector.cpu.info.flags-include", "CPU flags in node_cpu_flag_info, as a regular expression; needs --collector.cpu.info.").StringVar(&o.CPUFlags)
	cmd.Flag("collector.cpu.info.bugs-include", "CPU bugs in node_cpu_bug_info, as a regular expression; needs --collector.cpu.info.").StringVar(&o.CPUBugs)
	cmd.Flag("collector.filesystem.mount-timeout", "After which a mount point that does not answer is reported as failed.").
		Default(o.MountTimeout.String()).DurationVar(&o.MountTimeout)
	cmd.Flag("collector.textfile.directory", "Folder of *.prom files with more metrics; a pattern, repeatable.").StringsVar(&o.TextfileDirs)

	var ignoreSpeed bool
	for _, x := range []struct {
		name, help string
		to         *bool
	}{
		{"cpu.guest", "Collect node_cpu_guest_seconds_total.", &o.CPUGuest},
		{"cpu.info", "Collect node_cpu_info.", &o.CPUInfo},
		{"stat.softirq", "Collect node_softirqs_total.", &o.Softirqs},
		{"interrupts.include-zeros", "Collect interrupts that never happened.", &o.InterruptZeros},
		{"netclass.ignore-invalid-speed", "Leave out the speed of network devices that do not know theirs.", &ignoreSpeed},
		{"systemd.enable-task-metrics", "Collect the number of tasks of systemd units.", &o.UnitTasks},
		{"systemd.enable-restarts-metrics", "Collect how often systemd restarted services.", &o.UnitRestarts},
		{"systemd.enable-start-time-metrics", "Collect when systemd units became active.", &o.UnitStart},
	} {
		cmd.Flag("collector."+x.name, x.help).Default(onOff(*x.to)).BoolVar(x.to)
	}
	cmd.PreAction(func(*kingpin.ParseContext) error {
		o.InvalidSpeed = !ignoreSpeed
		for _, x := range f.hostFilters {
			if err := x.apply(); err != nil {
				return err
			}
		}
		return nil
	})
	registerForeign(cmd)
}

// hostFilter is a pair of flags, --collector.NAME-include and --collector.NAME-exclude.
type hostFilter struct {
	name, what string
	to         *host.Filter
	both       bool // they can be set together

	included, excluded bool // set by the user
}

func (x *hostFilter) register(cmd *kingpin.CmdClause) {
	mutual := ""
	if !x.both {
		mutual = "; not together with the other one"
	}
	flag := func(verb, help string, to *string, set *bool) {
		cmd.Flag("collector."+x.name+"-"+verb, help+x.what+", as a regular expression"+mutual+".").
			Default(*to).IsSetByUser(set).StringVar(to)
	}
	flag("include", "Collect only these ", &x.to.Include, &x.included)
	flag("exclude", "Leave out these ", &x.to.Exclude, &x.excluded)
}

// apply lets a list of what to include take the place of the default for what to exclude.
func (x *hostFilter) apply() error {
	switch {
	case x.both || !x.included:
		return nil
	case x.excluded:
		return fmt.Errorf("--collector.%[1]s-include and --collector.%[1]s-exclude cannot be used together", x.name)
	default:
		x.to.Exclude = ""
		return nil
	}
}

// foreign are collectors of node_exporter for what chronoops leaves out.
var foreign = []string{
	"bcache", "bcachefs", "btrfs", "buddyinfo", "cgroups", "cpu_vulnerabilities", "drbd", "drm", "ethtool", "fibrechannel",
	"infiniband", "ipvs", "ksmd", "lnstat", "logind", "meminfo_numa", "mountstats", "network_route", "nfs", "nfsd",
	"ntp", "nvmesubsystem", "pcidevice", "perf", "qdisc", "runit", "slabinfo", "softirqs", "supervisord", "swap", "sysctl", "tapestats", "wifi",
	"xfrm", "zfs", "zoneinfo",
}

// registerForeign lets a command line written for node_exporter switch off what is not here, and tells who switches it on.
func registerForeign(cmd *kingpin.CmdClause) {
	known := knownParts()
	for _, name := range foreign {
		if slices.ContainsFunc(known, func(p collector.Part) bool { return p.Name == name }) {
			continue
		}
		var on bool
		cmd.Flag("collector."+name, "").Hidden().Default("false").Action(func(*kingpin.ParseContext) error {
			if on {
				return fmt.Errorf("--collector.%s: chronoops has no such collector; run node_exporter beside it with --collector.disable-defaults for this one", name)
			}
			return nil
		}).BoolVar(&on)
	}
}
