package hosttest

import (
	"fmt"
	"strings"
)

// system writes what the kernel tells about itself, and the distribution's files.
func system(t *tree) {
	t.attrs("proc", `
		loadavg 0.75 1.20 2.05 3/512 98765
		uptime 754321.55 2890123.10
		version Linux version 6.12.48 (build@example) (gcc 14.2.0) #1 SMP PREEMPT_DYNAMIC
		filesystems nodev	sysfs|nodev	proc|	xfs
	`)
	t.attrs("proc/sys/kernel", `
		hung_task_detect_count 3
		random/entropy_avail 256
		random/poolsize 256
		threads-max 127184
		pid_max 4194304
		osrelease 6.12.48
		hostname web1
	`)
	t.attrs("proc/sys/fs", "file-nr 2144	0	9223372036854775807")
	t.attrs("proc/sys/net/netfilter", `
		nf_conntrack_count 123
		nf_conntrack_max 262144
	`)
	t.attrs("proc/pressure", `
		cpu some avg10=1.25 avg60=0.80 avg300=0.40 total=14036781|full avg10=0.00 avg60=0.00 avg300=0.00 total=0
		io some avg10=0.10 avg60=0.20 avg300=0.30 total=159817922|full avg10=0.10 avg60=0.10 avg300=0.20 total=120412071
		memory some avg10=0.00 avg60=0.00 avg300=0.00 total=81203|full avg10=0.00 avg60=0.00 avg300=0.00 total=44120
		irq full avg10=0.00 avg60=0.02 avg300=0.01 total=9382104
	`)
	t.attrs("sys/devices/system/clocksource/clocksource0", `
		available_clocksource tsc hpet acpi_pm
		current_clocksource tsc
	`)
	t.attrs("sys/kernel/mm/ksm", "run 0")
	t.file("root/usr/lib/os-release", `PRETTY_NAME="Example Linux 12.4 (steady)"
NAME="Example Linux"
VERSION_ID="12.4"
VERSION="12.4 (steady)"
VERSION_CODENAME=steady
ID=example
ID_LIKE="debian other"
VARIANT="Server Edition"
VARIANT_ID=server
BUILD_ID=20261101
IMAGE_ID=example-image
IMAGE_VERSION=7
SUPPORT_END=2029-06-30
HOME_URL="https://example.org/"
`)
	t.folder("root/etc")
	t.link("root/etc/os-release", "root/usr/lib/os-release")
	t.file("textfile/backup.prom", `# HELP backup_last_success_timestamp_seconds When the last backup ended well.
# TYPE backup_last_success_timestamp_seconds gauge
backup_last_success_timestamp_seconds{job="db"} 1.7637984e+09
backup_last_success_timestamp_seconds{job="files"} 1.7637012e+09
# HELP backup_bytes_total Bytes written by backups.
# TYPE backup_bytes_total counter
backup_bytes_total 5.36870912e+09
backup_without_type 1
# HELP backup_duration_seconds How long backups took.
# TYPE backup_duration_seconds histogram
backup_duration_seconds_bucket{le="60"} 3
backup_duration_seconds_bucket{le="600"} 9
backup_duration_seconds_bucket{le="+Inf"} 10
backup_duration_seconds_sum 2345.5
backup_duration_seconds_count 10
`)
	t.file("textfile/ignored.txt", "not a metric\n")
	t.device("dmi", "sys/devices/virtual/dmi/id", "")
	t.attrs("sys/devices/virtual/dmi/id", `
		bios_date 04/12/2026
		bios_release 2.2
		bios_vendor Example Inc.
		bios_version 2.2.4
		board_asset_tag
		board_name X12
		board_serial .7N62AI2.GRTCL6944100GP.
		board_vendor Example Inc.
		board_version A01
		chassis_asset_tag rack 7
		chassis_serial 7N62AI2
		chassis_type 23
		chassis_vendor Example Inc.
		chassis_version
		modalias dmi:bvnExample
		product_family Servers
		product_name Model "R" 650
		product_serial 7N62AI2
		product_sku SKU=0912;ModelName=R650
		product_uuid 83340ca8-cb49-4474-8c29-d2088ca84dd9
		product_version
		sys_vendor Example Inc.
		uevent MODALIAS=dmi:bvnExample
	`)
}

// processes writes /proc/self and so on, and two processes for each CPU, of one to three threads.
func processes(t *tree, cpus int) {
	t.link("proc/self", "proc/1")
	t.link("proc/net", "proc/self/net")
	t.link("proc/mounts", "proc/self/mounts")
	pids := []int{1, 2}
	for i := range 2 * cpus {
		pids = append(pids, 300+7*i)
	}
	for i, pid := range pids {
		threads := i%3 + 1
		state := string("SSIRSDZ"[i%7])
		stat := func(pid int, state string) string {
			return fmt.Sprintf("%d (worker (%d) %s) %s 1 %d %d 0 -1 4194560 %d 0 12 0 %d %d 0 0 20 0 %d 0 %d 51437568 4321 18446744073709551615 1 1 0 0 0 0 0 4096 1256 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
				pid, i, strings.Repeat("x", i%3), state, pid, pid, spread(i), spread(i+1)%5000, spread(i+2)%5000, threads, 1000+i)
		}
		dir := fmt.Sprintf("proc/%d", pid)
		t.file(dir+"/stat", stat(pid, state))
		for thread := range threads {
			t.file(fmt.Sprintf("%s/task/%d/stat", dir, pid+thread), stat(pid+thread, []string{state, "S", "R"}[thread]))
		}
	}
}
