package host

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

func TestSELinux(t *testing.T) {
	f := newKernelFixture(t, nil, selinuxArea)
	f.expect(f.scrape(), map[string]string{"node_selinux_enabled": "1", "node_selinux_current_mode": "1", "node_selinux_config_mode": "0"})
	f.write("root/etc/selinux/config", "SELINUXTYPE=mls\nSELINUX=enforcing\n")
	f.expect(f.scrape(), map[string]string{"node_selinux_config_mode": "1"})
	f.remove("root/etc/selinux/config")
	f.expect(f.scrape(), map[string]string{"node_selinux_config_mode": "-1"})
	f.write("proc/self/attr/current", "kernel\x00")
	f.expect(f.scrape(), map[string]string{"node_selinux_enabled": "0", "node_selinux_current_mode": ""})
}

func TestPressureLines(t *testing.T) {
	f := newKernelFixture(t, nil, pressureArea)
	f.remove("proc/pressure/irq")
	f.write("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5000000\n") // before Linux 5.13
	o := f.scrape()
	f.expect(o, map[string]string{"node_pressure_cpu_waiting_seconds_total": "5", "node_pressure_irq_stalled_seconds_total": ""})
	if !o.Success["pressure"] {
		t.Errorf("failed: %v", f.scraper.Log())
	}
	f.write("proc/pressure/io", "some avg10=0.00 total=many\n")
	if o := f.scrape(); o.Success["pressure"] {
		t.Error("a broken file made no failure")
	}
	f.g.Close()
	f.remove("proc/pressure")
	if o := f.scrape(); o.Success["pressure"] || o.Text != "" {
		t.Errorf("%v\n%s", o.Success, o.Text)
	}
}

func TestTimex(t *testing.T) {
	f := newKernelFixture(t, nil, timexArea)
	f.adjtimex = func(t *unix.Timex) (int, error) {
		*t = unix.Timex{Status: unix.STA_NANO | unix.STA_UNSYNC, Offset: 1500, Jitter: 5, Freq: -6553600, Tick: 10000}
		return unix.TIME_ERROR, nil
	}
	f.expect(f.scrape(), map[string]string{
		"node_timex_sync_status": "0", "node_timex_offset_seconds": "1.5e-06", "node_timex_pps_jitter_seconds": "5e-09",
		"node_timex_frequency_adjustment_ratio": "0.9999", "node_timex_tick_seconds": "0.01", "node_timex_status": "8256",
	})
	f.adjtimex = func(*unix.Timex) (int, error) { return 0, unix.EPERM }
	if o := f.scrape(); o.Success["timex"] || o.Text != "" {
		t.Errorf("%v\n%s", o.Success, o.Text)
	}
}

func TestProcesses(t *testing.T) {
	f := newKernelFixture(t, nil, processesArea)
	const zombies, running = `node_processes_state{state="Z"}`, `node_processes_threads_state{thread_state="R"}`
	want := map[string]string{
		"node_processes_pids": "3", "node_processes_threads": "5", zombies: "1", `node_processes_state{state="S"}`: "2",
		`node_processes_threads_state{thread_state="S"}`: "2", running: "1", `node_processes_threads_state{thread_state="D"}`: "1",
		`node_processes_state{state="R"}`: "",
	}
	f.expect(f.scrape(), want)
	f.remove("proc/300") // a state that was seen goes to 0
	f.remove("proc/200/task/201/stat")
	want["node_processes_pids"], want["node_processes_threads"], want[zombies], want[running] = "2", "4", "0", "0"
	f.expect(f.scrape(), want)
	f.write("proc/200/stat", "broken")
	o := f.scrape()
	f.expect(o, map[string]string{"node_processes_pids": "", "node_processes_max_processes": "4.194304e+06"}) // the limits stay
	if o.Success["processes"] {
		t.Error("a broken file made no failure")
	}
}

// TestProcessesHere reads this machine, on which processes begin and end meanwhile.
func TestProcessesHere(t *testing.T) {
	o := Defaults()
	s := collectortest.NewScraper(t, newTestGroup(t, newSources(o), []area{processesArea}))
	out := s.Scrape(collectortest.Timeout)
	value := func(series string) int {
		v, err := strconv.ParseFloat(out.Sample(series), 64)
		if err != nil {
			t.Errorf("%s: %v", series, err)
		}
		return int(v)
	}
	sum := 0
	for line := range strings.Lines(out.Text) {
		if rest, ok := strings.CutPrefix(line, "node_processes_state{"); ok {
			_, v, _ := strings.Cut(strings.TrimSpace(rest), " ")
			n, err := strconv.Atoi(v)
			if err != nil {
				t.Error(err)
			}
			sum += n
		}
	}
	if pids := value("node_processes_pids"); pids < 1 || pids != sum || value("node_processes_threads") < pids {
		t.Errorf("%d processes, %d by state:\n%s", pids, sum, out.Text)
	}
}

// TestAbsentFile looks for a file that is not there once a minute, and finds it then.
func TestAbsentFile(t *testing.T) {
	f := newKernelFixture(t, nil, schedstatArea)
	f.remove("proc/schedstat")
	if o := f.scrape(); o.Success["schedstat"] {
		t.Error("no file and no failure")
	}
	f.write("proc/schedstat", "cpu0 0 0 0 0 0 0 1 2 3\n")
	if o := f.scrape(); o.Success["schedstat"] {
		t.Error("looked for again at once")
	}
	f.clock = f.clock.Add(lookAgain)
	f.expect(f.scrape(), map[string]string{`node_schedstat_timeslices_total{cpu="0"}`: "3"})
}

// TestMissingAndBroken: a failure stays one although another file is missing, too.
func TestMissingAndBroken(t *testing.T) {
	f := newKernelFixture(t, nil, meminfoNumaArea)
	const node = "sys/devices/system/node/node"
	f.write(node+"7/meminfo", "Node 7 MemFree: many kB\n")
	f.write(node+"8/numastat", "numa_hit 1\n") // without meminfo
	if o := f.scrape(); o.Success["meminfo_numa"] || o.NoData["meminfo_numa"] {
		t.Errorf("success %v, no data %v", o.Success, o.NoData)
	}
	f.remove(node + "7")
	f.clock = f.clock.Add(lookAgain)
	if o := f.scrape(); !o.NoData["meminfo_numa"] {
		t.Errorf("success %v, no data %v", o.Success, o.NoData)
	}
}

func TestArrays(t *testing.T) {
	f := newKernelFixture(t, nil, mdadmArea)
	f.write("proc/mdstat", "Personalities : [raid5]\nmd9 : active raid5 sda[0] sdb[1]\n      100 blocks [2/2] [UU]\n      [>....]  reshape =  8.5% (7/100) finish=1.0min speed=5K/sec\n\nunused devices: <none>\n")
	o := f.scrape()
	f.expect(o, map[string]string{`node_md_state{device="md9",state="active"}`: "0", `node_md_blocks_synced{device="md9"}`: "7"})
	if !o.Success["mdadm"] { // it has no folder in sysfs: it just ended
		t.Errorf("failed: %v", f.scraper.Log())
	}
	f.write("proc/mdstat", "md9 : active raid5 sda[0]\n      many blocks\n")
	if o := f.scrape(); o.Success["mdadm"] {
		t.Error("a broken file made no failure")
	}
}

// TestDiskChanges looks up what udev knows about a disk when that changes, and what sysfs knows after a minute.
func TestDiskChanges(t *testing.T) {
	f := newKernelFixture(t, nil, diskArea)
	info := func(model, rotational string) string {
		return `node_disk_info{device="sda",major="8",minor="0",model="` + model + `",path="pci-0000:00:1f.2-ata-1",revision="A1",rotational="` +
			rotational + `",serial="0001",wwn="0x5000000000000001"}`
	}
	const reads, rate = `node_disk_reads_completed_total{device="sda"}`, `node_disk_ata_rotation_rate_rpm{device="sda"}`
	f.expect(f.scrape(), map[string]string{info("EXAMPLE_DISK", "1"): "1", reads: "95032", rate: "7200"})

	data, err := os.ReadFile(f.path("udev/b8:0"))
	if err != nil {
		t.Fatal(err)
	}
	f.write("udev/new", strings.ReplaceAll(strings.ReplaceAll(string(data), "ID_MODEL=EXAMPLE_DISK", "ID_MODEL=OTHER"), "_RPM=7200", "_RPM="))
	if err := os.Rename(f.path("udev/new"), f.path("udev/b8:0")); err != nil { // as udev does it
		t.Fatal(err)
	}
	f.expect(f.scrape(), map[string]string{info("EXAMPLE_DISK", "1"): "", info("OTHER", "1"): "1", reads: "95032", rate: ""})
	f.write("sys/block/sda/queue/rotational", "0\n")
	f.expect(f.scrape(), map[string]string{info("OTHER", "1"): "1"})
	f.clock = f.clock.Add(lookAgain)
	f.expect(f.scrape(), map[string]string{info("OTHER", "0"): "1"})

	f.write("proc/diskstats", "   8      16 sda 1 0 0 0 0 0 0 0 0 0 0\n") // another disk with its name
	f.expect(f.scrape(), map[string]string{
		info("OTHER", "0"): "", reads: "1",
		`node_disk_info{device="sda",major="8",minor="16",model="",path="",revision="",rotational="0",serial="",wwn=""}`: "1",
	})
}

// TestOptionalAsNodeExporter holds the parts that are off by default against node_exporter's, cpu.info without cpufreq:
// of the frequencies that both have, node_exporter drops one.
func TestOptionalAsNodeExporter(t *testing.T) {
	compare := func(name string, o Options, flags []string, parts ...string) {
		g := newTestGroup(t, newSources(o), kernelAreas())
		t.Cleanup(g.Close)
		text, success := collectortest.Scrape(t, g, parts...)
		got, all := parse(t, text), append(flags, "--collector.disable-defaults")
		for _, p := range parts {
			all = append(all, "--collector."+p)
			if !success[p] {
				t.Errorf("%s: part %s failed", name, p)
			}
		}
		for name, w := range theirs(t, hosttest.NodeExporter(t, all...)) {
			if g := got[name]; g == nil || g.Interface() != w.Interface() {
				t.Errorf("missing or other: %s", w.Interface())
			} else {
				for _, difference := range differences(g.Series, w.Series, true) {
					t.Error(difference)
				}
			}
			delete(got, name)
		}
		for _, g := range got {
			t.Errorf("node_exporter has no %s", g.Interface())
		}
	}
	o := fixture(t)
	compare("fixture", o, []string{"--path.procfs=" + o.ProcFS, "--path.sysfs=" + o.SysFS},
		"buddyinfo", "cgroups", "cpu_vulnerabilities", "ksmd", "meminfo_numa", "slabinfo", "zoneinfo")

	paths, err := hosttest.Small(hosttest.Dir(t))
	if err != nil {
		t.Fatal(err)
	}
	o = Defaults()
	o.ProcFS, o.SysFS, o.RootFS, o.UdevData = paths.Proc, paths.Sys, paths.Root, paths.Udev
	o.CPUInfo, o.CPUFlags, o.CPUBugs, o.Softirqs, o.InterruptZeros = true, "^s", ".", true, false
	o.Interrupts.Include, o.VMStatFields = "^[0-9]", "^nr_"
	compare("small machine", o, append(paths.Flags(), "--collector.cpu.info", "--collector.cpu.info.flags-include=^s",
		"--collector.cpu.info.bugs-include=.", "--collector.stat.softirq", "--no-collector.interrupts.include-zeros",
		"--collector.interrupts.name-include=^[0-9]", "--collector.vmstat.fields=^nr_"),
		"cpu", "interrupts", "processes", "softirqs", "stat", "vmstat")
}
