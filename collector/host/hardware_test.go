package host

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

func TestHardwareGolden(t *testing.T) {
	paths, err := hosttest.Small(hosttest.Dir(t))
	if err != nil {
		t.Fatal(err)
	}
	o := Defaults()
	o.SysFS = paths.Sys
	g := newTestGroup(t, newSources(o), hardwareAreas())
	text, success := collectortest.Scrape(t, g)
	golden(t, "hardware.prom", strings.ReplaceAll(text, paths.Sys, "/sys"))
	for part, ok := range success {
		if !ok {
			t.Errorf("part %s failed", part)
		}
	}
	collectortest.Lint(t, g)
}

func TestNoHardware(t *testing.T) {
	m := newMachine(t, Defaults(), "")
	text, success := m.samples()
	want := map[string]bool{ // as node_exporter has it
		"hwmon": false, "thermal_zone": true, "powersupplyclass": false, "rapl": false, "dmi": false,
		"nvme": false, "edac": true, "watchdog": false, "dmmultipath": false,
	}
	if diff := cmp.Diff(want, success); text != "" || diff != "" {
		t.Errorf("%s(-want +got):\n%s", text, diff)
	}
	if log := m.s.Log(); len(log) > 0 {
		t.Errorf("nobody needs to know, and yet: %q", log)
	}
}

func TestThermalFailures(t *testing.T) {
	m := newMachine(t, Defaults(), `
		class/thermal/thermal_zone0/type cpu
		class/thermal/thermal_zone0/temp `+failing+`
		class/thermal/thermal_zone1/type board
		class/thermal/thermal_zone1/temp 30500
		class/thermal/thermal_zone2 -> gone
		class/thermal/thermal_zoneX/type none
		class/thermal/cooling_device0/type Fan
		class/thermal/cooling_device0/cur_state 1
		class/thermal/cooling_device0/max_state 3
	`)
	const want = `
		node_cooling_device_cur_state{name="0",type="Fan"} 1
		node_cooling_device_max_state{name="0",type="Fan"} 3
		node_thermal_zone_temp{type="board",zone="1"} 30.5
	`
	m.expect("thermal_zone", true, want)
	m.write("class/thermal/cooling_device1/type Processor\nclass/thermal/cooling_device1/cur_state " + failing)
	m.expect("thermal_zone", false, want)
	m.write("class/thermal/cooling_device1/cur_state " + refused)
	m.expect("thermal_zone", true, want)
}

func TestAttributeFailures(t *testing.T) {
	m := newMachine(t, Defaults(), `
		class/power_supply/BAT0/type Battery
		class/power_supply/BAT0/capacity 50
		class/power_supply/BAT0/power_now `+refused+`
		class/power_supply/BAT0/temp -15
		class/power_supply/USB0 -> gone
		class/watchdog/watchdog0/timeout 0x3c
		class/watchdog/watchdog0/fw_version `+refused+`
	`)
	want := `
		node_power_supply_capacity{power_supply="BAT0"} 50
		node_power_supply_info{capacity_level="",charge_type="",health="",manufacturer="",model_name="",power_supply="BAT0",scope="",serial_number="",status="",technology="",type="Battery",usb_type=""} 1
		node_power_supply_temp_celsius{power_supply="BAT0"} -1.5
		node_watchdog_info{identity="",name="watchdog0",options="",pretimeout_governor="",state="",status=""} 1
		node_watchdog_timeout_seconds{name="watchdog0"} 60
	`
	m.expect("powersupplyclass", true, want)
	m.write("class/power_supply/BAT0/charge_now " + failing + "\nclass/power_supply/BAT0/energy_now much\nclass/watchdog/watchdog0/timeleft " + failing)
	m.expect("powersupplyclass", false, want)
	m.expect("watchdog", false, want)
	if log := strings.Join(m.s.Log(), "\n"); !strings.Contains(log, "and 1 more") {
		t.Errorf("the log tells nothing of the second failure:\n%s", log)
	}
}

func TestPowerFilter(t *testing.T) {
	o := Defaults()
	o.Power.Exclude = "^hid"
	newMachine(t, o, "class/power_supply/hid-mouse/capacity 1\nclass/power_supply/AC/online 1").expect("powersupplyclass", true, `
		node_power_supply_info{capacity_level="",charge_type="",health="",manufacturer="",model_name="",power_supply="AC",scope="",serial_number="",status="",technology="",type="",usb_type=""} 1
		node_power_supply_online{power_supply="AC"} 1
	`)
}

func TestRAPL(t *testing.T) {
	m := newMachine(t, Defaults(), `
		class/powercap/intel-rapl/enabled 1
		class/powercap/intel-rapl:0/name package-0
		class/powercap/intel-rapl:0/energy_uj 1500000
		class/powercap/intel-rapl:0:0/name dram
		class/powercap/intel-rapl:0:0/energy_uj 250000
		class/powercap/intel-rapl:1/name package-1
		class/powercap/intel-rapl:1/energy_uj 18446744073709
		class/powercap/intel-rapl:1:0/name dram
		class/powercap/intel-rapl:1:0/energy_uj 350000
		class/powercap/x/name package-1-die-0
		class/powercap/x/energy_uj 1
		class/powercap/y/name dtpm
	`)
	want := strings.ReplaceAll(`
		node_rapl_dram_joules_total{index="0",path="SYS/class/powercap/intel-rapl:0:0"} 0.25
		node_rapl_dram_joules_total{index="1",path="SYS/class/powercap/intel-rapl:1:0"} 0.35
		node_rapl_package_1_die_0_joules_total{index="0",path="SYS/class/powercap/x"} 1e-06
		node_rapl_package_joules_total{index="0",path="SYS/class/powercap/intel-rapl:0"} 1.5
		node_rapl_package_joules_total{index="1",path="SYS/class/powercap/intel-rapl:1"} 1.8446744073709e+07
	`, "SYS", m.dir)
	m.expect("rapl", true, want)
	m.write("class/powercap/intel-rapl:0:1/name uncore\nclass/powercap/intel-rapl:0:1/energy_uj " + failing)
	m.expect("rapl", false, want)
}

func TestDMIOnce(t *testing.T) {
	m := newMachine(t, Defaults(), "class/dmi/id/sys_vendor "+failing)
	m.expect("dmi", false, "")
	m.write("class/dmi/id/sys_vendor Example Inc.\nclass/dmi/id/bios_version 1.2")
	text, success := m.samples()
	if !success["dmi"] || !strings.Contains(text, `bios_version="1.2"`) || !strings.Contains(text, `system_vendor="Example Inc."`) {
		t.Errorf("after it could be read: %v\n%s", success["dmi"], text)
	}
	m.remove("class/dmi")
	if again, success := m.samples(); again != text || !success["dmi"] {
		t.Errorf("read again: %s", again)
	}
}

func TestNVMe(t *testing.T) {
	m := newMachine(t, Defaults(), `
		class/nvme/nvme0/model Example 960
		class/nvme/nvme0/state live
		class/nvme/nvme0/nvme0n1/size 1000
		class/nvme/nvme0/nvme0n1/queue/logical_block_size 512
		class/nvme/nvme0/nvme0n2/size 1000
		class/nvme/nvme0/nvme0n2/nuse 10
		class/nvme/nvme0/nvme0n2/ana_state optimized
		class/nvme/nvme0/nvme0n2/queue/logical_block_size 4096
		class/nvme/nvme0/nvme0c0n3/size 1000
		class/nvme/nvme0/ng0n1/dev 1
		class/nvme/nvme1/model Gone
	`)
	want := `
		node_nvme_info{cntlid="",device="nvme0",firmware_revision="",model="Example 960",serial="",state="live"} 1
		node_nvme_namespace_capacity_bytes{device="nvme0",nsid="1"} 512000
		node_nvme_namespace_capacity_bytes{device="nvme0",nsid="2"} 4.096e+06
		node_nvme_namespace_info{ana_state="optimized",device="nvme0",nsid="2"} 1
		node_nvme_namespace_info{ana_state="unknown",device="nvme0",nsid="1"} 1
		node_nvme_namespace_logical_block_size_bytes{device="nvme0",nsid="1"} 512
		node_nvme_namespace_logical_block_size_bytes{device="nvme0",nsid="2"} 4096
		node_nvme_namespace_size_bytes{device="nvme0",nsid="1"} 512000
		node_nvme_namespace_size_bytes{device="nvme0",nsid="2"} 4.096e+06
		node_nvme_namespace_used_bytes{device="nvme0",nsid="2"} 40960
	`
	m.expect("nvme", true, want)
	// A controller that dies keeps its words; the state is read anew.
	m.write("class/nvme/nvme0/state dead\nclass/nvme/nvme0/model Other")
	m.expect("nvme", true, strings.Replace(want, "live", "dead", 1))
	// Another one in the same place is seen at once.
	if err := os.Rename(filepath.Join(m.dir, "class/nvme/nvme0"), filepath.Join(m.dir, "old")); err != nil {
		t.Fatal(err)
	}
	m.write("class/nvme/nvme0/model Spare\nclass/nvme/nvme0/state new\nclass/nvme/nvme0/nvme0n1/size " + failing +
		"\nclass/nvme/nvme0/nvme0n1/queue/logical_block_size 512")
	m.expect("nvme", false, `
		node_nvme_info{cntlid="",device="nvme0",firmware_revision="",model="Spare",serial="",state="new"} 1
		node_nvme_namespace_info{ana_state="unknown",device="nvme0",nsid="1"} 1
		node_nvme_namespace_logical_block_size_bytes{device="nvme0",nsid="1"} 512
	`)
}

func TestEDACFailures(t *testing.T) {
	m := newMachine(t, Defaults(), `
		devices/system/edac/mc/mc0/ce_count 1
		devices/system/edac/mc/mc0/ue_count `+failing+`
		devices/system/edac/mc/mc0/csrow0/ce_count 2
		devices/system/edac/mc/mc0/csrow0/ch0_ce_count 3
		devices/system/edac/mc/mc0/csrow0/ch0_ue_count 4
		devices/system/edac/mc/mc0/csrow0/ch1_ce_count 5
		devices/system/edac/mc/mc0/csrow0/ch1_dimm_label A#1csrow2channel3
		devices/system/edac/mc/power/control auto
	`)
	want := `
		node_edac_channel_correctable_errors_total{channel="0",controller="0",csrow="0",dimm_label="unknown"} 3
		node_edac_channel_correctable_errors_total{channel="1",controller="0",csrow="0",dimm_label="A1_csrow2_channel3"} 5
		node_edac_channel_uncorrectable_errors_total{channel="0",controller="0",csrow="0",dimm_label="unknown"} 4
		node_edac_correctable_errors_total{controller="0"} 1
		node_edac_csrow_correctable_errors_total{controller="0",csrow="0"} 2
	`
	m.expect("edac", false, want)
	m.write("devices/system/edac/mc/mc0/ue_count 0")
	m.expect("edac", true, want+"node_edac_uncorrectable_errors_total{controller=\"0\"} 0\n")
}

func TestMultipathStates(t *testing.T) {
	newMachine(t, Defaults(), `
		block/dm-0/dm/uuid LVM-abc
		block/dm-1/dm/uuid mpath-3600
		block/dm-1/dm/name data
		block/dm-1/dm/suspended 1
		block/dm-1/size 8
		block/dm-1/slaves/sda/x 1
		block/dm-1/slaves/sdb/x 1
		block/dm-1/slaves/vdc/x 1
		block/sda/device/state running
		block/sdb/device/state offline
		block/vdc/size 8
		block/dm-2/size 8
	`).expect("dmmultipath", true, `
		node_dmmultipath_device_active{device="data",sysfs_name="dm-1"} 0
		node_dmmultipath_device_info{device="data",sysfs_name="dm-1",uuid="mpath-3600"} 1
		node_dmmultipath_device_paths{device="data",sysfs_name="dm-1"} 3
		node_dmmultipath_device_paths_active{device="data",sysfs_name="dm-1"} 1
		node_dmmultipath_device_paths_failed{device="data",sysfs_name="dm-1"} 1
		node_dmmultipath_device_size_bytes{device="data",sysfs_name="dm-1"} 4096
		node_dmmultipath_path_state{device="data",path="sda",state="running"} 1
		node_dmmultipath_path_state{device="data",path="sdb",state="offline"} 1
	`)
}

// TestSlowArea has an area that takes nearly all of the time: it costs what comes after it, and not what came before.
func TestSlowArea(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var areas []area
		for _, name := range []string{"first", "slow", "last"} {
			f := gauge(name, "G.")
			areas = append(areas, area{name: name, families: []*collector.Family{f}, open: func(*sources) (reader, error) {
				return func(w *collector.Writer) error {
					if name != "first" {
						time.Sleep(collectortest.Timeout - 100*time.Millisecond)
					}
					w.Add(f, 1)
					return nil
				}, nil
			}})
		}
		text, success := collectortest.Scrape(t, newTestGroup(t, newSources(Defaults()), areas))
		if want := map[string]bool{"first": true, "slow": true, "last": false}; !maps.Equal(success, want) {
			t.Errorf("success %v\n%s", success, text)
		}
	})
}

func TestNamedIsBounded(t *testing.T) {
	n := newNamed(sensorFamilies)
	declare := func(word string) *collector.Family { return gauge(word, "A.") }
	if first := n.get([]byte("a"), declare); n.get([]byte("a"), declare) != first {
		t.Error("made twice")
	}
	for i := range 3 * namedAtMost {
		n.get([]byte(strconv.Itoa(i)), declare)
	}
	if len(n.families) > namedAtMost {
		t.Errorf("%d families", len(n.families))
	}
	if declared := sensorFamilies[0]; n.get([]byte("b"), func(string) *collector.Family { return gauge(declared.Name, "B.") }) != declared {
		t.Error("a declared family was made again")
	}
}

func TestDevicesAreForgotten(t *testing.T) {
	dir := t.TempDir()
	s := newSources(Defaults())
	d := make(devices[string])
	looked := 0
	look := func(string) (string, error) { looked++; return "words", nil }
	for i := range 100 {
		s.round++
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if words, err := d.get(s, path, look); words != "words" || err != nil {
				t.Fatal(words, err)
			}
		}
		d.forget(s)
	}
	if len(d) != 1 || looked != 100 {
		t.Errorf("%d devices known, %d times looked", len(d), looked)
	}
}
