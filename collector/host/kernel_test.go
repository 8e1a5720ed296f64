package host

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

// kernelFixture is the fixture with its root file system and the areas given; its files can be changed.
type kernelFixture struct {
	t *testing.T
	*sources
	g       *Group
	scraper *collectortest.Scraper
	clock   time.Time
}

func newKernelFixture(t *testing.T, set func(o *Options), areas ...area) *kernelFixture {
	t.Helper()
	o := fixture(t)
	o.RootFS = filepath.Join(filepath.Dir(o.ProcFS), "root")
	if set != nil {
		set(&o)
	}
	f := &kernelFixture{t: t, sources: newSources(o), clock: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	f.now = func() time.Time { return f.clock }
	f.uname = func() (utsname, error) { return utsname{nodename: "pod-1"}, nil }
	f.g = newTestGroup(t, f.sources, areas)
	t.Cleanup(f.g.Close)
	f.scraper = collectortest.NewScraper(t, f.g)
	return f
}

func (f *kernelFixture) scrape() collectortest.Outcome {
	f.t.Helper()
	return f.scraper.Scrape(collectortest.Timeout)
}

func (f *kernelFixture) path(name string) string {
	return filepath.Join(filepath.Dir(f.o.ProcFS), name)
}

func (f *kernelFixture) write(name, content string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *kernelFixture) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

// link replaces a file or folder by a symbolic link.
func (f *kernelFixture) link(target, name string) {
	f.t.Helper()
	f.remove(name)
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Symlink(target, f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

// expect compares samples; an empty value stands for a series that is not there.
func (f *kernelFixture) expect(o collectortest.Outcome, want map[string]string) {
	f.t.Helper()
	for series, value := range want {
		if got := o.Sample(series); got != value {
			f.t.Errorf("%s is %q, want %q", series, got, value)
		}
	}
}

func TestOptionalGolden(t *testing.T) {
	f := newKernelFixture(t, func(o *Options) {
		o.CPUFlags, o.CPUBugs, o.CPUGuest = "^a", ".", false
		o.Softirqs, o.InterruptZeros, o.Interrupts.Exclude = true, false, "^LOC;Local timer interrupts;$"
		o.VMStatFields = "^nr_|^pgpgin$"
	}, cpuArea, cpufreqArea, statArea, interruptsArea, vmstatArea)
	first := f.scrape()
	golden(t, "optional.prom", first.Text)
	if second := f.scrape(); second.Text != first.Text {
		t.Errorf("the second scrape differs:\n%s", second.Text)
	}
	for part, ok := range first.Success {
		if !ok {
			t.Errorf("part %s failed: %v", part, f.scraper.Log())
		}
	}
}

func TestCPUHotplug(t *testing.T) {
	f := newKernelFixture(t, nil, cpuArea, cpufreqArea)
	const (
		seconds  = `node_cpu_seconds_total{cpu="10",mode="user"}`
		throttle = `node_cpu_core_throttles_total{core="4",package="0"}`
		governor = `node_cpu_scaling_governor{cpu="10",governor="powersave"}`
		online   = `node_cpu_online{cpu="10"}`
	)
	f.expect(f.scrape(), map[string]string{seconds: "290", throttle: "15", governor: "1", online: "1"})
	open := descriptors(t)

	f.write("sys/devices/system/cpu/online", "0\n")
	f.write("proc/stat", "cpu0 29113 112 10345 2283890 873 1 3001 20 100 7\n")
	f.remove("sys/devices/system/cpu/cpu10/thermal_throttle")
	f.remove("sys/devices/system/cpu/cpu10/cpufreq")
	o := f.scrape()
	f.expect(o, map[string]string{seconds: "", throttle: "", governor: "", online: "0", `node_cpu_online{cpu="0"}`: "1"})
	if n := descriptors(t); n >= open {
		t.Errorf("%d descriptors, %d before", n, open)
	}
	f.write("proc/stat", "cpu0 29114 112 10345 2283890 873 1 3001 20 100 7\ncpu10 1 0 0 2 0 0 0 0 0 0\n")
	f.write("sys/devices/system/cpu/online", "0,10\n")
	f.write("sys/devices/system/cpu/cpu10/thermal_throttle/core_throttle_count", "1\n")
	o = f.scrape()
	f.expect(o, map[string]string{seconds: "0.01", throttle: "1", governor: "", online: "1"})
	if !o.Success["cpu"] || !o.Success["cpufreq"] {
		t.Errorf("failed: %v", f.scraper.Log())
	}
}

func TestCPUFreqPolicies(t *testing.T) {
	f := newKernelFixture(t, nil, cpufreqArea)
	const policy = "sys/devices/system/cpu/cpufreq/policy0/"
	f.write(policy+"scaling_cur_freq", "1500000\n")
	f.write(policy+"cpuinfo_max_freq", "3000000\n")
	f.write(policy+"scaling_governor", "schedutil\n")
	f.write(policy+"scaling_available_governors", "performance schedutil \n")
	for _, cpu := range []string{"cpu0", "cpu10"} {
		f.link("../cpufreq/policy0", "sys/devices/system/cpu/"+cpu+"/cpufreq")
	}
	want := map[string]string{
		`node_cpu_scaling_frequency_hertz{cpu="0"}`: "1.5e+09", `node_cpu_scaling_frequency_hertz{cpu="10"}`: "1.5e+09",
		`node_cpu_scaling_governor{cpu="10",governor="schedutil"}`:   "1",
		`node_cpu_scaling_governor{cpu="10",governor="performance"}`: "0",
		`node_cpu_frequency_max_hertz{cpu="0"}`:                      "3e+09",
	}
	f.expect(f.scrape(), want)
	f.write(policy+"scaling_governor", "performance\n")
	f.write(policy+"cpuinfo_max_freq", "3100000\n") // a limit of the hardware: noticed after a minute
	want[`node_cpu_scaling_governor{cpu="10",governor="schedutil"}`] = "0"
	want[`node_cpu_scaling_governor{cpu="10",governor="performance"}`] = "1"
	f.expect(f.scrape(), want)
	f.clock = f.clock.Add(lookAgain)
	want[`node_cpu_frequency_max_hertz{cpu="0"}`] = "3.1e+09"
	f.expect(f.scrape(), want)
	f.write(policy+"scaling_cur_freq", "gibberish\n")
	o := f.scrape()
	f.expect(o, map[string]string{`node_cpu_scaling_frequency_hertz{cpu="0"}`: "", `node_cpu_frequency_max_hertz{cpu="0"}`: "3.1e+09"})
	if o.Success["cpufreq"] {
		t.Error("a broken file made no failure")
	}
}

// TestCPUFreqDriverComesLate: a minute later what a driver brings is there, also if it took another's place.
func TestCPUFreqDriverComesLate(t *testing.T) {
	f := newKernelFixture(t, nil, cpufreqArea)
	for _, cpu := range []string{"cpu0", "cpu10"} {
		f.remove("sys/devices/system/cpu/" + cpu + "/cpufreq")
	}
	if o := f.scrape(); o.Success["cpufreq"] {
		t.Fatal(o.Text)
	}
	driver := func(policy, frequency, governors string) {
		dir := "sys/devices/system/cpu/cpufreq/" + policy + "/"
		f.write(dir+frequency, "1200000\n")
		f.write(dir+"scaling_governor", "performance\n")
		f.write(dir+"scaling_available_governors", governors+"\n")
		f.link("../cpufreq/"+policy, "sys/devices/system/cpu/cpu0/cpufreq")
		f.clock = f.clock.Add(lookAgain)
	}
	driver("policy0", "scaling_cur_freq", "performance")
	want := map[string]string{
		`node_cpu_scaling_frequency_hertz{cpu="0"}`:                 "1.2e+09",
		`node_cpu_scaling_governor{cpu="0",governor="performance"}`: "1", `node_cpu_scaling_governor{cpu="0",governor="ondemand"}`: "",
	}
	f.expect(f.scrape(), want)
	f.write("sys/devices/system/cpu/cpufreq/policy0/scaling_available_governors", "performance ondemand\n") // a module
	f.clock = f.clock.Add(lookAgain)
	want[`node_cpu_scaling_governor{cpu="0",governor="ondemand"}`] = "0"
	f.expect(f.scrape(), want)
	driver("policy1", "cpuinfo_cur_freq", "performance powersave")
	f.expect(f.scrape(), map[string]string{
		`node_cpu_scaling_frequency_hertz{cpu="0"}`: "", `node_cpu_frequency_hertz{cpu="0"}`: "1.2e+09",
		`node_cpu_scaling_governor{cpu="0",governor="ondemand"}`: "", `node_cpu_scaling_governor{cpu="0",governor="powersave"}`: "0",
	})
}

// TestCPUFreqAtOnce holds the two ways of reading policies to the same result.
func TestCPUFreqAtOnce(t *testing.T) {
	s := newSources(largeHost(t, 20))
	s.openCPUs()
	s.round++
	ids, _, err := s.onlineCPUs()
	if err != nil {
		t.Fatal(err)
	}
	f := &cpuFreq{s: s, files: fileSet{s: s}}
	f.find(ids, f.look(ids))
	defer f.files.reset()
	f.slow = true
	if err := f.read(true); err != nil {
		t.Fatal(err)
	}
	for _, p := range f.policies {
		for i, file := range p.files {
			if file != nil && (!p.known[i] || p.hertz[i] != 1e9) {
				t.Errorf("CPUs %v: %s is %v", p.cpus, freqFiles[i].name, p.hertz[i])
			}
		}
	}
	if len(f.policies) != 20 {
		t.Errorf("%d policies", len(f.policies))
	}
}

func TestNoCPUFreq(t *testing.T) {
	f := newKernelFixture(t, nil, cpufreqArea)
	f.remove("sys/devices/system/cpu/cpu0/cpufreq")
	f.remove("sys/devices/system/cpu/cpu10/cpufreq")
	if o := f.scrape(); o.Success["cpufreq"] || o.Text != "" {
		t.Errorf("%v\n%s", o.Success, o.Text)
	}
}

// TestContainer reads the root file system of a host from elsewhere, whose links are as the host sees them.
func TestContainer(t *testing.T) {
	f := newKernelFixture(t, nil, osArea, unameArea, timeArea)
	f.remove("root/etc/os-release")
	f.write("root/usr/lib/os-release", "ID=first\nVERSION_ID=22.04\n")
	f.link("/usr/lib/os-release", "root/etc/os-release")
	f.write("root/usr/share/zoneinfo/Far", string(zoneData("FAR", 5*3600+1800)))
	f.link("/usr/share/zoneinfo/Far", "root/etc/localtime")
	const (
		zone     = `node_time_zone_offset_seconds{time_zone="FAR"}`
		version  = `node_os_version{id="first",id_like="",name=""}`
		nodename = `node_uname_info{domainname="",machine="",nodename="web1.example.org",release="",sysname="",version=""}`
		podname  = `node_uname_info{domainname="",machine="",nodename="pod-1",release="",sysname="",version=""}`
	)
	f.expect(f.scrape(), map[string]string{zone: "19800", version: "22.04", nodename: "1"})

	f.remove("root/etc/hostname")
	f.remove("root/etc/localtime")
	f.clock = f.clock.Add(lookAgain) // where links lead is remembered
	f.write("root/usr/lib/os-release", "ID=second\nVERSION_ID=rolling\nSUPPORT_END=2028-06-30\n")
	o := f.scrape()
	f.expect(o, map[string]string{
		zone: "", `node_time_zone_offset_seconds{time_zone="UTC"}`: "0", version: "", nodename: "", podname: "1",
		"node_os_support_end_timestamp_seconds": "1.845936e+09",
	})
	if !strings.Contains(o.Text, `id="second"`) || strings.Contains(o.Text, "node_os_version{") {
		t.Errorf("not read again:\n%s", o.Text)
	}
	f.write("root/usr/lib/os-release", "ID=third\nSUPPORT_END=never\n")
	if o := f.scrape(); o.Success["os"] || !strings.Contains(o.Text, `id="third"`) {
		t.Errorf("%v\n%s", o.Success, o.Text)
	}
	f.remove("root/usr/lib/os-release")
	if o := f.scrape(); o.Success["os"] || strings.Contains(o.Text, "node_os") {
		t.Errorf("%v\n%s", o.Success, o.Text)
	}
}

// zoneData is a file of a time zone (tzfile(5)) that has one offset.
func zoneData(name string, offset int32) []byte {
	b := append([]byte("TZif"), make([]byte, 16)...)
	for _, n := range []uint32{0, 0, 0, 0, 1, uint32(len(name) + 1)} { // counts: one type and its name
		b = binary.BigEndian.AppendUint32(b, n)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(offset))
	return append(append(b, 0, 0), name+"\x00"...)
}

// TestSharedName: a process that has the host's name takes it from the kernel.
func TestSharedName(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/uts")
	if err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]string{own: "pod-1", "uts:[1]": "web1.example.org"} {
		f := newKernelFixture(t, func(o *Options) {
			if err := errors.Join(os.MkdirAll(filepath.Join(o.ProcFS, "1/ns"), 0o755), os.Symlink(link, filepath.Join(o.ProcFS, "1/ns/uts"))); err != nil {
				t.Fatal(err)
			}
		}, unameArea)
		f.expect(f.scrape(), map[string]string{`node_uname_info{domainname="",machine="",nodename="` + want + `",release="",sysname="",version=""}`: "1"})
	}
}

func TestInRoot(t *testing.T) {
	root := t.TempDir()
	for name, target := range map[string]string{
		"etc/plain": "", "usr/lib/file": "", "etc/relative": "../usr/lib/file", "etc/absolute": "/usr/lib/file",
		"etc/escape": "../../../../usr/lib/file", "etc/loop": "loop", "etc/folder": "/usr/lib", "etc/chain": "folder/file", "etc/dangling": "/nowhere",
	} {
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil && target == "" {
			err = os.WriteFile(path, nil, 0o644)
		} else if err == nil {
			err = os.Symlink(target, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"/etc/plain": "/etc/plain", "/etc/relative": "/usr/lib/file", "/etc/absolute": "/usr/lib/file", "/etc/escape": "/usr/lib/file",
		"/etc/chain": "/usr/lib/file", "/etc/folder/file": "/usr/lib/file",
	} {
		if got, err := inRoot(root, name); err != nil || got != root+want {
			t.Errorf("%s is %s, %v, want %s", name, got, err, want)
		}
	}
	if _, err := inRoot(root, "/etc/loop"); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a loop gave %v", err)
	}
	for _, name := range []string{"/etc/dangling", "/etc/none", "/etc/plain/below"} {
		if got, err := inRoot(root, name); err == nil {
			t.Errorf("%s is %s", name, got)
		}
	}
	if got, err := inRoot("/", "/etc/any"); err != nil || got != "/etc/any" {
		t.Errorf("%s, %v", got, err)
	}
}

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

func TestInterruptsChange(t *testing.T) {
	f := newKernelFixture(t, nil, interruptsArea)
	const nmi = `node_interrupts_total{cpu="10",devices="",info="Non-maskable interrupts",type="NMI"}`
	f.expect(f.scrape(), map[string]string{
		nmi: "3", `node_interrupts_total{cpu="0",devices="1-edge i8042",info="IR-IO-APIC",type="1"}`: "9",
	})
	f.write("proc/interrupts", "      CPU0 CPU10 CPU11\n1: 1 2 3 IR-IO-APIC 1-edge serial\n NMI: 4 5 6 Non-maskable interrupts\n")
	f.expect(f.scrape(), map[string]string{
		nmi: "5", `node_interrupts_total{cpu="0",devices="1-edge i8042",info="IR-IO-APIC",type="1"}`: "",
		`node_interrupts_total{cpu="11",devices="1-edge serial",info="IR-IO-APIC",type="1"}`: "3",
	})
	f.write("proc/interrupts", "nothing\n")
	if o := f.scrape(); o.Success["interrupts"] {
		t.Error("a broken heading made no failure")
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

// TestRootFileFails: a file that could not be read is read again although it did not change.
func TestRootFileFails(t *testing.T) {
	f := newKernelFixture(t, nil, osArea)
	f.remove("root/etc/os-release")
	f.write("root/etc/os-release/x", "") // a folder, which can be opened only
	opens := watchOpens(t, f.o.RootFS)
	for range 2 {
		if o := f.scrape(); o.Success["os"] || o.NoData["os"] {
			t.Errorf("success %v, no data %v", o.Success, o.NoData)
		}
	}
	if n := opens()["etc/os-release"]; n != 2 {
		t.Errorf("opened %d times", n)
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
