package main

import (
	"fmt"

	"github.com/alecthomas/kingpin/v2"
)

// foreignCollectors are collectors of node_exporter for what chronoops leaves out.
var foreignCollectors = []string{
	"bcache", "bcachefs", "btrfs", "drbd", "drm", "ethtool", "fibrechannel", "infiniband", "ipvs", "lnstat", "logind", "mountstats",
	"network_route", "nfs", "nfsd", "ntp", "nvmesubsystem", "pcidevice", "perf", "qdisc", "runit", "supervisord", "swap", "sysctl",
	"tapestats", "wifi", "xfrm", "zfs",
}

// foreignSwitches are switches of node_exporter that add or rename metrics which chronoops does not have.
var foreignSwitches = []string{
	"netclass_rtnl.with-stats", "netdev.address-info", "netdev.enable-detailed-metrics", "netdev.label-ifalias", "rapl.enable-zone-label",
}

// idleSwitches and idleSettings are those of node_exporter that change nothing here: they choose a way of reading, or belong
// to a collector that cannot be switched on.
var (
	idleSwitches = []string{
		"arp.netlink", "bcache.priorityStats", "netclass.netlink", "netdev.netlink", "ntp.server-is-local", "pcidevice.names",
		"perf.disable-cache-profilers", "perf.disable-hardware-profilers", "perf.disable-software-profilers", "systemd.private",
	}
	idleSettings = []string{
		"ethtool.device-exclude", "ethtool.device-include", "ethtool.metrics-include", "filesystem.stat-workers", "infiniband.device-exclude",
		"infiniband.device-include", "ipvs.backend-labels", "ntp.ip-ttl", "ntp.local-offset-tolerance", "ntp.max-distance",
		"ntp.protocol-version", "ntp.server", "ntp.server-port", "pcidevice.idsfile", "perf.cache-profilers", "perf.cpus",
		"perf.hardware-profilers", "perf.software-profilers", "perf.tracepoint", "qdisc.device-exclude", "qdisc.device-include",
		"qdisc.fixtures", "qdisk.device-exclude", "qdisk.device-include", "runit.servicedir", "supervisord.url", "sysctl.include",
		"sysctl.include-info", "tapestats.ignored-devices", "wifi.fixtures",
	}
)

// registerForeign takes a command line that was written for node_exporter, and tells who switches on what is not here.
func registerForeign(cmd *kingpin.CmdClause) {
	for _, name := range foreignCollectors {
		refuseOn(cmd, name, "chronoops has no such collector; run node_exporter beside it with --collector.disable-defaults for this one")
	}
	for _, name := range foreignSwitches {
		refuseOn(cmd, name, "chronoops does not have the metrics that this adds to node_exporter's; leave it out")
	}
	for _, name := range idleSwitches {
		cmd.Flag("collector."+name, "").Hidden().Bool()
	}
	for _, name := range idleSettings {
		cmd.Flag("collector."+name, "").Hidden().Strings()
	}
}

// refuseOn adds a switch that can only be off.
func refuseOn(cmd *kingpin.CmdClause, name, why string) {
	var on bool
	cmd.Flag("collector."+name, "").Hidden().Action(func(*kingpin.ParseContext) error {
		if on {
			return fmt.Errorf("--collector.%s: %s", name, why)
		}
		return nil
	}).BoolVar(&on)
}
