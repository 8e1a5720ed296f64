package main

import (
	"fmt"

	"github.com/alecthomas/kingpin/v2"

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
		{name: "diskstats.device", what: "disks", to: &o.Disks, former: [2]string{1: "diskstats.ignored-devices"}},
		{name: "filesystem.mount-points", what: "mount points", to: &o.MountPoints, former: [2]string{1: "filesystem.ignored-mount-points"}},
		{name: "filesystem.fs-types", what: "file system types", to: &o.FSTypes, former: [2]string{1: "filesystem.ignored-fs-types"}},
		{name: "hwmon.chip", what: "hwmon chips", to: &o.HwmonChips},
		{name: "hwmon.sensor", what: "hwmon sensors, as CHIP;SENSOR", to: &o.HwmonSensors},
		{name: "interrupts.name", what: "interrupts", to: &o.Interrupts},
		{name: "netdev.device", what: "network devices with counters", to: &o.NetDevs, former: [2]string{"netdev.device-whitelist", "netdev.device-blacklist"}},
		{name: "slabinfo.slabs", what: "slabs", to: &o.Slabs, both: true},
		{
			name: "systemd.unit", what: "systemd units, matched as a whole", to: &o.Units, both: true,
			former: [2]string{"systemd.unit-whitelist", "systemd.unit-blacklist"},
		},
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
	both       bool      // they can be set together
	former     [2]string // their former names, which node_exporter still takes; empty for none

	old                host.Filter // by the former names
	included, excluded bool        // set by the user
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
	for i, old := range []*string{&x.old.Include, &x.old.Exclude} {
		if x.former[i] != "" {
			cmd.Flag("collector."+x.former[i], "").Hidden().StringVar(old)
		}
	}
}

// apply lets a list of what to include take the place of the default for what to exclude. An empty list is none.
func (x *hostFilter) apply() error {
	if x.old.Include != "" && !x.included {
		x.to.Include = x.old.Include
	}
	if x.old.Exclude != "" && !x.excluded {
		x.to.Exclude, x.excluded = x.old.Exclude, true
	}
	switch {
	case x.both || x.to.Include == "":
		return nil
	case x.excluded && x.to.Exclude != "":
		return fmt.Errorf("--collector.%[1]s-include and --collector.%[1]s-exclude cannot be used together", x.name)
	default:
		x.to.Exclude = ""
		return nil
	}
}
