package hosttest

import (
	"fmt"
	"strings"
)

const sockets = 2

// place tells where a CPU is: the kernel numbers the first threads of all cores before the second ones.
func place(cpu, cpus int) (socket, core int) {
	cores := cpus / 2
	perSocket := cores / sockets
	return cpu % cores / perSocket, cpu % cores % perSocket
}

// processors writes what is known of each CPU.
func processors(t *tree, cpus int) {
	const base = "sys/devices/system/cpu"
	last := cpus - 1
	t.attrs(base, fmt.Sprintf(`
		online 0-%d
		possible 0-%d
		present 0-%d
		isolated %d
		kernel_max 8191
	`, last, last, last, last))
	t.file(base+"/offline", "\n")
	t.file("proc/stat", statFile(cpus))
	t.file("proc/schedstat", schedstat(cpus))
	var info strings.Builder
	for cpu := range cpus {
		processor(t, cpu, cpus)
		socket, core := place(cpu, cpus)
		fmt.Fprintf(&info, `processor	: %d
vendor_id	: GenuineIntel
cpu family	: 6
model		: 106
model name	: Example(R) CPU @ 2.40GHz
stepping	: 6
microcode	: 0xd0003f6
cpu MHz		: %d.%03d
cache size	: 30720 KB
physical id	: %d
siblings	: %d
core id		: %d
cpu cores	: %d
flags		: fpu vme sse2 ht aes avx2
bugs		: spectre_v1 spectre_v2

`, cpu, 2400+cpu, cpu, socket, cpus/sockets, core, cpus/2/sockets)
	}
	t.file("proc/cpuinfo", info.String())
	for node := range sockets {
		dir := fmt.Sprintf("sys/devices/system/node/node%d", node)
		half := cpus / 2 / sockets
		t.attrs(dir, fmt.Sprintf(`
			cpulist %d-%d,%d-%d
			distance 10 21
			numastat numa_hit %d|numa_miss %d|numa_foreign 0|interleave_hit 5124|local_node %d|other_node %d
		`, node*half, node*half+half-1, cpus/2+node*half, cpus/2+node*half+half-1, 1931606+node, node*7, 1931001+node, 605+node))
	}
}

func processor(t *tree, cpu, cpus int) {
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d", cpu)
	socket, core := place(cpu, cpus)
	first := cpu % (cpus / 2)
	half := cpus / 2 / sockets
	siblings := fmt.Sprintf("%d-%d,%d-%d", socket*half, socket*half+half-1, cpus/2+socket*half, cpus/2+socket*half+half-1)
	t.attrs(dir, fmt.Sprintf(`
		online 1
		topology/physical_package_id %d
		topology/core_id %d
		topology/die_id 0
		topology/core_siblings_list %s
		topology/thread_siblings_list %d,%d
		topology/core_cpus_list %d,%d
		topology/package_cpus_list %s
		thermal_throttle/core_throttle_count %d
		thermal_throttle/core_throttle_total_time_ms %d
		thermal_throttle/package_throttle_count %d
		thermal_throttle/package_throttle_total_time_ms %d
	`, socket, core, siblings, first, first+cpus/2, first, first+cpus/2, siblings,
		5*first, 12*first, 30+socket, 77+socket))

	policy := fmt.Sprintf("sys/devices/system/cpu/cpufreq/policy%d", cpu)
	t.attrs(policy, fmt.Sprintf(`
		affected_cpus %d
		cpuinfo_avg_freq %d
		cpuinfo_cur_freq %d
		cpuinfo_max_freq 3700000
		cpuinfo_min_freq 800000
		cpuinfo_transition_latency 10000
		related_cpus %d
		scaling_cur_freq %d
		scaling_driver acpi-cpufreq
		scaling_governor schedutil
		scaling_max_freq 3400000
		scaling_min_freq 1000000
		scaling_setspeed <unsupported>
		stats/total_trans %d
		stats/time_in_state 3700000 %d|800000 %d
	`, cpu, 2311000+cpu, 2400000+1000*cpu, cpu, 2399000+1000*cpu, spread(cpu), spread(cpu+1), spread(cpu+2)))
	t.file(policy+"/scaling_available_governors", "conservative ondemand userspace powersave performance schedutil \n")
	t.link(dir+"/cpufreq", policy)
}

// statFile returns /proc/stat. Idle times are large, so that their fractions of a second need every digit.
func statFile(cpus int) string {
	var b, lines strings.Builder
	var sum [10]int
	for cpu := range cpus {
		ticks := [10]int{
			301854 + 17*cpu, 611 + cpu, 111922 + 13*cpu, 1897911_00 + 101*cpu, 3601 + cpu,
			cpu % 3, 2 + cpu*29, cpu % 2 * 71, 10 + cpu, 20 + cpu,
		}
		fmt.Fprintf(&lines, "cpu%d", cpu)
		for i, v := range ticks {
			sum[i] += v
			fmt.Fprintf(&lines, " %d", v)
		}
		lines.WriteByte('\n')
	}
	b.WriteString("cpu ")
	for _, v := range sum {
		fmt.Fprintf(&b, " %d", v)
	}
	fmt.Fprintf(&b, "\n%s", lines.String())
	fmt.Fprintf(&b, "intr 8885917 %s\n", join("%d", " ", 40+4*cpus, spread))
	fmt.Fprintf(&b, "ctxt 38014093\nbtime 1763044079\nprocesses 26442\nprocs_running 2\nprocs_blocked 1\nsoftirq 5057579 %s\n",
		join("%d", " ", 10, func(i int) int { return spread(i + 3) }))
	return b.String()
}

func schedstat(cpus int) string {
	var b strings.Builder
	b.WriteString("version 15\ntimestamp 15819019232\n")
	for cpu := range cpus {
		fmt.Fprintf(&b, "cpu%d %d 0 0 0 0 0 %d %d %d\n", cpu, 498494191+cpu, 2045936778163039+cpu*1009, 343796328169361+cpu*997, 4767485306+cpu)
		for domain := range 3 {
			fmt.Fprintf(&b, "domain%d %s %s\n", domain, mask(cpus), join("%d", " ", 36, func(i int) int { return spread(i + cpu + domain) }))
		}
	}
	return b.String()
}

// mask is the bitmap of all CPUs in groups of 32 bits.
func mask(cpus int) string {
	var groups []string
	for left := cpus; left > 0; left -= 32 {
		group := "ffffffff"
		if left < 32 {
			group = fmt.Sprintf("%08x", 1<<left-1)
		}
		groups = append([]string{group}, groups...)
	}
	return strings.Join(groups, ",")
}
