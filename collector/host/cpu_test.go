package host

import (
	"testing"
)

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
	if o := f.scrape(); o.Text != "" {
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
	if o := f.scrape(); !o.Success["cpufreq"] || o.Text != "" {
		t.Errorf("%v\n%s", o.Success, o.Text)
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
