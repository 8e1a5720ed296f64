package host

import (
	"bytes"
	"fmt"

	"github.com/chronoops/chronoops/collector"
)

var meminfoArea = area{name: "meminfo", families: meminfoFamilies, open: openMeminfo}

// memField is a line of /proc/meminfo (fs/proc/meminfo.c).
type memField struct {
	key   string // in the file
	name  string // of the metric, between node_memory_ and _bytes
	pages bool   // a number of huge pages, not an amount of memory
	help  string
}

var memFields = []memField{
	{"Active", "Active", false, "Memory used lately, which is reclaimed last."},
	{"Active(anon)", "Active_anon", false, "Anonymous memory used lately."},
	{"Active(file)", "Active_file", false, "Page cache used lately."},
	{"AnonHugePages", "AnonHugePages", false, "Anonymous memory in transparent huge pages."},
	{"AnonPages", "AnonPages", false, "Anonymous memory mapped into page tables."},
	{"Balloon", "Balloon", false, "Memory returned to the hypervisor."},
	{"Bounce", "Bounce", false, "Bounce buffers of block devices."},
	{"Buffers", "Buffers", false, "Buffers of raw disk blocks."},
	{"Cached", "Cached", false, "Page cache, shared memory included."},
	{"CmaFree", "CmaFree", false, "Free memory of the contiguous memory allocator."},
	{"CmaTotal", "CmaTotal", false, "Memory of the contiguous memory allocator."},
	{"CommitLimit", "CommitLimit", false, "Memory that can be committed under strict overcommit."},
	{"Committed_AS", "Committed_AS", false, "Memory promised to processes."},
	{"DirectMap1G", "DirectMap1G", false, "Memory the kernel maps in pages of 1 GiB."},
	{"DirectMap2M", "DirectMap2M", false, "Memory the kernel maps in pages of 2 MiB."},
	{"DirectMap4M", "DirectMap4M", false, "Memory the kernel maps in pages of 4 MiB."},
	{"DirectMap4k", "DirectMap4k", false, "Memory the kernel maps in pages of 4 KiB."},
	{"Dirty", "Dirty", false, "Memory waiting to be written to disk."},
	{"FileHugePages", "FileHugePages", false, "Page cache in huge pages."},
	{"FilePmdMapped", "FilePmdMapped", false, "Page cache mapped with huge pages."},
	{"HardwareCorrupted", "HardwareCorrupted", false, "Memory taken out of use because of hardware errors."},
	{"HugePages_Free", "HugePages_Free", true, "Huge pages that are free."},
	{"HugePages_Rsvd", "HugePages_Rsvd", true, "Huge pages that are reserved but not yet allocated."},
	{"HugePages_Surp", "HugePages_Surp", true, "Huge pages above the pool's size."},
	{"HugePages_Total", "HugePages_Total", true, "Huge pages in the pool."},
	{"Hugepagesize", "Hugepagesize", false, "Default size of a huge page."},
	{"Hugetlb", "Hugetlb", false, "Memory in huge pages of all sizes."},
	{"Inactive", "Inactive", false, "Memory not used lately, which is reclaimed first."},
	{"Inactive(anon)", "Inactive_anon", false, "Anonymous memory not used lately."},
	{"Inactive(file)", "Inactive_file", false, "Page cache not used lately."},
	{"KReclaimable", "KReclaimable", false, "Kernel memory that can be reclaimed."},
	{"KernelStack", "KernelStack", false, "Kernel stacks of all tasks."},
	{"Mapped", "Mapped", false, "Files mapped into processes."},
	{"MemAvailable", "MemAvailable", false, "Estimate of the memory available to new processes without swapping."},
	{"MemFree", "MemFree", false, "Memory used for nothing."},
	{"MemTotal", "MemTotal", false, "Usable memory."},
	{"Mlocked", "Mlocked", false, "Memory locked with mlock(2)."},
	{"NFS_Unstable", "NFS_Unstable", false, "Memory sent to NFS servers and not yet committed; 0 since Linux 5.8."},
	{"PageTables", "PageTables", false, "Page tables."},
	{"Percpu", "Percpu", false, "Memory of the per-CPU allocator."},
	{"SReclaimable", "SReclaimable", false, "Slab memory that can be reclaimed, such as caches of files and folders."},
	{"SUnreclaim", "SUnreclaim", false, "Slab memory that cannot be reclaimed."},
	{"SecPageTables", "SecPageTables", false, "Secondary page tables, as used by virtual machines."},
	{"Shmem", "Shmem", false, "Shared memory and tmpfs."},
	{"ShmemHugePages", "ShmemHugePages", false, "Shared memory in huge pages."},
	{"ShmemPmdMapped", "ShmemPmdMapped", false, "Shared memory mapped with huge pages."},
	{"Slab", "Slab", false, "Caches of kernel objects."},
	{"SwapCached", "SwapCached", false, "Memory that is also in swap."},
	{"SwapFree", "SwapFree", false, "Free swap."},
	{"SwapTotal", "SwapTotal", false, "Swap."},
	{"Unaccepted", "Unaccepted", false, "Memory a confidential guest has not accepted yet."},
	{"Unevictable", "Unevictable", false, "Memory that cannot be reclaimed."},
	{"VmallocChunk", "VmallocChunk", false, "Largest free block of the vmalloc area."},
	{"VmallocTotal", "VmallocTotal", false, "Size of the vmalloc area."},
	{"VmallocUsed", "VmallocUsed", false, "Used part of the vmalloc area."},
	{"Writeback", "Writeback", false, "Memory being written to disk."},
	{"WritebackTmp", "WritebackTmp", false, "Temporary buffers of FUSE writes."},
	{"Zswap", "Zswap", false, "Memory used by compressed swap."},
	{"Zswapped", "Zswapped", false, "Memory held in compressed swap, uncompressed."},
}

// meminfoFamilies are in the order of memFields.
var meminfoFamilies = func() []*collector.Family {
	fs := make([]*collector.Family, len(memFields))
	for i, m := range memFields {
		name := "node_memory_" + m.name
		if !m.pages {
			name += "_bytes"
		}
		fs[i] = gauge(name, m.help)
	}
	return fs
}()

// memFieldByKey is the indices of memFields, fixed once made.
var memFieldByKey = func() map[string]int {
	byKey := make(map[string]int, len(memFields))
	for i, m := range memFields {
		byKey[m.key] = i
	}
	return byKey
}()

// parseMeminfo calls yield for each line of /proc/meminfo that is one of memFields, with the value in bytes or as a
// plain number. Other lines may hold anything: kernels of distributions add some.
func parseMeminfo(b []byte, yield func(field int, value float64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		key, rest := cutField(line)
		key, named := bytes.CutSuffix(key, []byte{':'})
		field, known := memFieldByKey[string(key)]
		if !named || !known {
			continue
		}
		value, rest := cutField(rest)
		unit, _ := cutField(rest)
		n, err := parseUint(value)
		if err != nil {
			return fmt.Errorf("/proc/meminfo: %s: %w", key, err)
		}
		switch string(unit) {
		case "":
		case "kB":
			n *= 1024
		default:
			return fmt.Errorf("/proc/meminfo: %s has the unit %q", key, unit)
		}
		yield(field, float64(n))
	}
	return nil
}

func openMeminfo(s *sources) (reader, error) {
	f := s.proc("meminfo")
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		return parseMeminfo(b, func(field int, value float64) { w.Add(meminfoFamilies[field], value) })
	}, nil
}
