package hosttest

import (
	"fmt"
	"strings"
)

// memory writes /proc/meminfo and /proc/vmstat, and their counterparts of the two nodes.
func memory(t *tree) {
	t.file("proc/meminfo", meminfo)
	t.file("proc/vmstat", counted(vmstatNames, "%s %d\n"))
	for node := range sockets {
		dir := fmt.Sprintf("sys/devices/system/node/node%d", node)
		var b strings.Builder
		for line := range strings.Lines(meminfo) {
			name, rest, _ := strings.Cut(line, ":")
			switch name {
			case "MemTotal", "MemFree", "Active", "Inactive", "Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)",
				"Unevictable", "Mlocked", "Dirty", "Writeback", "AnonPages", "Mapped", "Shmem", "KernelStack", "PageTables",
				"Slab", "SReclaimable", "SUnreclaim", "AnonHugePages", "HugePages_Total", "HugePages_Free", "HugePages_Surp":
				fmt.Fprintf(&b, "Node %d %s:%s", node, name, rest)
			}
		}
		t.file(dir+"/meminfo", b.String())
		t.file(dir+"/vmstat", counted(vmstatNames, "%s %d\n"))
	}
}

const meminfo = `MemTotal:       32768000 kB
MemFree:         2048000 kB
MemAvailable:   19216000 kB
Buffers:          512000 kB
Cached:         16144000 kB
SwapCached:         1024 kB
Active:          9120000 kB
Inactive:       16144000 kB
Active(anon):    6072000 kB
Inactive(anon):   102400 kB
Active(file):    3048000 kB
Inactive(file): 16041600 kB
Unevictable:       16384 kB
Mlocked:           16384 kB
SwapTotal:       4194300 kB
SwapFree:        4190204 kB
Zswap:               512 kB
Zswapped:           2048 kB
Dirty:              1234 kB
Writeback:             8 kB
AnonPages:       6072512 kB
Mapped:           819200 kB
Shmem:            131072 kB
KReclaimable:     809600 kB
Slab:            1214400 kB
SReclaimable:     809600 kB
SUnreclaim:       404800 kB
KernelStack:       16384 kB
PageTables:        60960 kB
SecPageTables:      2048 kB
NFS_Unstable:          0 kB
Bounce:                0 kB
WritebackTmp:          0 kB
CommitLimit:    20578300 kB
Committed_AS:   12192000 kB
VmallocTotal:   34359738367 kB
VmallocUsed:       91440 kB
VmallocChunk:          0 kB
Percpu:            28672 kB
HardwareCorrupted:     4 kB
AnonHugePages:   1819200 kB
ShmemHugePages:        0 kB
ShmemPmdMapped:        0 kB
FileHugePages:         0 kB
FilePmdMapped:         0 kB
CmaTotal:          65536 kB
CmaFree:           61440 kB
Unaccepted:            0 kB
Balloon:               0 kB
HugePages_Total:      64
HugePages_Free:       48
HugePages_Rsvd:        8
HugePages_Surp:        0
Hugepagesize:       2048 kB
Hugetlb:          131072 kB
DirectMap4k:      507200 kB
DirectMap2M:    20971520 kB
DirectMap1G:    12582912 kB
`

const vmstatNames = `nr_free_pages nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file nr_zone_active_file nr_zone_unevictable
nr_zone_write_pending nr_mlock nr_free_cma numa_hit numa_miss numa_foreign numa_interleave numa_local numa_other
nr_inactive_anon nr_active_anon nr_inactive_file nr_active_file nr_unevictable nr_slab_reclaimable nr_slab_unreclaimable
workingset_nodes workingset_refault_anon workingset_refault_file workingset_activate_anon workingset_activate_file
nr_anon_pages nr_mapped nr_file_pages nr_dirty nr_writeback nr_shmem nr_anon_transparent_hugepages nr_dirtied nr_written
nr_kernel_stack nr_page_table_pages nr_swapcached pgpromote_success pgdemote_kswapd nr_dirty_threshold
nr_dirty_background_threshold pgpgin pgpgout pswpin pswpout pgalloc_dma pgalloc_dma32 pgalloc_normal pgalloc_movable
allocstall_normal pgskip_normal pgfree pgactivate pgdeactivate pglazyfree pgfault pgmajfault pglazyfreed pgrefill pgreuse
pgsteal_kswapd pgsteal_direct pgscan_kswapd pgscan_direct pgscan_anon pgscan_file pageoutrun pgrotated drop_pagecache
drop_slab oom_kill numa_pte_updates numa_hint_faults numa_pages_migrated pgmigrate_success pgmigrate_fail compact_stall
compact_fail compact_success htlb_buddy_alloc_success unevictable_pgs_culled thp_fault_alloc thp_fault_fallback
thp_collapse_alloc thp_split_page thp_zero_page_alloc swap_ra swap_ra_hit zswpin zswpout nr_unstable`
