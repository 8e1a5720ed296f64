package hosttest

import "fmt"

// hardware writes the rest of sys/class and of the error counters.
func hardware(t *tree) {
	for _, d := range []struct{ class, path, parent, attrs string }{
		{"thermal", "virtual/thermal/thermal_zone0", "", "type x86_pkg_temp|temp 49925|policy step_wise|mode enabled|passive 0"},
		{"thermal", "virtual/thermal/thermal_zone1", "", "type acpitz|temp -44000|policy step_wise|mode disabled"},
		{"thermal", "virtual/thermal/cooling_device0", "", "type Processor|max_state 50|cur_state 1"},
		{"thermal", "virtual/thermal/cooling_device1", "", "type intel_powerclamp|max_state 27|cur_state -1"},
		{"powercap", "virtual/powercap/intel-rapl", "", "enabled 1"},
		{"powercap", "virtual/powercap/intel-rapl/intel-rapl:0", "", "name package-0|energy_uj 240422366267|max_energy_range_uj 262143328850|enabled 1"},
		{"powercap", "virtual/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:0", "", "name core|energy_uj 118821284256|max_energy_range_uj 262143328850"},
		{"powercap", "virtual/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:1", "", "name dram|energy_uj 31821284256|max_energy_range_uj 65712999613"},
		{"powercap", "virtual/powercap/intel-rapl/intel-rapl:1", "", "name package-1|energy_uj 140422366267|max_energy_range_uj 262143328850|enabled 1"},
		{"powercap", "virtual/powercap/intel-rapl/intel-rapl:1/intel-rapl:1:0", "", "name core|energy_uj 18821284256|max_energy_range_uj 262143328850"},
		{"power_supply", "LNXSYSTM:00/device:00/ACPI0003:00/power_supply/AC", "LNXSYSTM:00/device:00/ACPI0003:00", "type Mains|online 1|uevent POWER_SUPPLY_NAME=AC"},
		{
			"power_supply", "LNXSYSTM:00/device:00/PNP0C0A:00/power_supply/BAT0", "LNXSYSTM:00/device:00/PNP0C0A:00",
			"type Battery|status Discharging|present 1|technology Li-ion|cycle_count 12|voltage_min_design 10800000|voltage_now 12229000|power_now 4830000|" +
				"energy_full_design 47520000|energy_full 50060000|energy_now 49450000|capacity 98|capacity_level Normal|model_name LNV-45N1|manufacturer LGC|serial_number 38109|" +
				"temp 306|charge_type Standard|health Good|time_to_empty_now 3600|alarm 2503000",
		},
		{"watchdog", "virtual/watchdog/watchdog0", "", "bootstatus 1|fw_version 2|identity Software Watchdog|nowayout 0|options 0x8380|pretimeout 120|pretimeout_governor noop|state active|status 0x8000|timeleft 300|timeout 60|access_cs0 0"},
		{"watchdog", "pci0000:00/0000:00:1f.0/watchdog/watchdog1", "pci0000:00/0000:00:1f.0", "identity iTCO_wdt|nowayout 1|state inactive|status 0x0|timeout 30"},
	} {
		parent := ""
		if d.parent != "" {
			parent = "sys/devices/" + d.parent
		}
		t.device(d.class, "sys/devices/"+d.path, parent)
		t.attrs("sys/devices/"+d.path, lines(d.attrs))
	}
	for controller := range sockets {
		dir := fmt.Sprintf("sys/devices/system/edac/mc/mc%d", controller)
		t.attrs(dir, fmt.Sprintf("mc_name Skylake Socket#%d IMC#0\nce_count %d\nce_noinfo_count 2\nue_count %d\nue_noinfo_count 6", controller, 9+controller, 5+controller))
		for row := range 2 {
			t.attrs(fmt.Sprintf("%s/csrow%d", dir, row), fmt.Sprintf(`
				ce_count %d
				ue_count %d
				ch0_ce_count 3
				ch0_ue_count 1
				ch0_dimm_label CPU_SrcID#%d_MC#0_Chan#0_DIMM#%d
				ch1_ce_count %d
				ch1_ue_count 0
				ch1_dimm_label CPU "x" \ %d
			`, 3+row, 4+row, controller, row, row, row))
		}
	}
}
