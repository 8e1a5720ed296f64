package host

import "github.com/chronoops/chronoops/collector"

// watchdogs is Documentation/ABI/testing/sysfs-class-watchdog. Nothing that is read there feeds a watchdog.
var watchdogs = attributeClass{
	name: "watchdog",
	numbers: map[string]attributeNumber{
		"access_cs0": {watchdogGauge("access_cs0", "1 if the ASPEED controller booted from its second flash."), 1},
		"bootstatus": {watchdogGauge("bootstatus", "Flags of linux/watchdog.h that tell why the machine booted last."), 1},
		"fw_version": {watchdogGauge("fw_version", "Version of the watchdog's firmware."), 1},
		"nowayout":   {watchdogGauge("nowayout", "1 if the watchdog cannot be stopped."), 1},
		"pretimeout": {watchdogGauge("pretimeout_seconds", "How long before it resets the machine the watchdog says so."), 1},
		"timeleft":   {watchdogGauge("timeleft_seconds", "Time until the watchdog resets the machine."), 1},
		"timeout":    {watchdogGauge("timeout_seconds", "How long the watchdog waits to be fed."), 1},
	},
	words: watchdogWords,
	info:  watchdogGauge("info", "What is known about the watchdog besides numbers.", watchdogWords...),
}

var watchdogWords = []string{"options", "identity", "state", "status", "pretimeout_governor"}

var watchdogArea = area{
	name: "watchdog", families: watchdogs.families(),
	open: func(s *sources) (reader, error) {
		return watchdogs.reader(s, func(string) bool { return false }), nil
	},
}

func watchdogGauge(name, help string, labels ...string) *collector.Family {
	return gauge("node_watchdog_"+name, help, append([]string{"name"}, labels...)...)
}
