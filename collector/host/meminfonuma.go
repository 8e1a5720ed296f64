package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

var meminfoNumaArea = area{name: "meminfo_numa", optIn: true, families: numaFamilies, open: openMeminfoNuma}

// numaFamilies are those of common kernels; another field has a family once it is seen.
var numaFamilies = func() []*collector.Family {
	var fs []*collector.Family
	for _, m := range []struct{ field, help string }{
		{"Active", "Memory used lately, which is reclaimed last."},
		{"Active_anon", "Anonymous memory used lately."},
		{"Active_file", "Page cache used lately."},
		{"AnonHugePages", "Anonymous memory in transparent huge pages."},
		{"AnonPages", "Anonymous memory mapped into page tables."},
		{"Bounce", "Bounce buffers of block devices."},
		{"Dirty", "Memory waiting to be written to disk."},
		{"FilePages", "Page cache."},
		{"HugePages_Free", "Huge pages that are free."},
		{"HugePages_Surp", "Huge pages above the pool's size."},
		{"HugePages_Total", "Huge pages in the pool."},
		{"Inactive", "Memory not used lately, which is reclaimed first."},
		{"Inactive_anon", "Anonymous memory not used lately."},
		{"Inactive_file", "Page cache not used lately."},
		{"KernelStack", "Kernel stacks of all tasks."},
		{"Mapped", "Files mapped into processes."},
		{"MemFree", "Memory used for nothing."},
		{"MemTotal", "Memory of the node."},
		{"MemUsed", "Memory that is not free."},
		{"Mlocked", "Memory locked with mlock(2)."},
		{"NFS_Unstable", "Memory sent to NFS servers and not yet committed."},
		{"PageTables", "Page tables."},
		{"SReclaimable", "Slab memory that can be reclaimed."},
		{"SUnreclaim", "Slab memory that cannot be reclaimed."},
		{"Shmem", "Shared memory and tmpfs."},
		{"Slab", "Caches of kernel objects."},
		{"Unevictable", "Memory that cannot be reclaimed."},
		{"Writeback", "Memory being written to disk."},
		{"WritebackTmp", "Temporary buffers of FUSE writes."},
	} {
		fs = append(fs, numaGauge(m.field, m.help))
	}
	for _, m := range []struct{ field, help string }{
		{"interleave_hit", "Interleaved pages allocated on the intended node."},
		{"local_node", "Pages allocated for a process that ran on the node."},
		{"numa_foreign", "Pages intended for here and allocated on another node."},
		{"numa_hit", "Pages allocated on the intended node."},
		{"numa_miss", "Pages allocated here because the intended node had none."},
		{"other_node", "Pages allocated for a process that ran on another node."},
	} {
		fs = append(fs, numaCounter(m.field, m.help))
	}
	return fs
}()

func numaGauge(field, help string) *collector.Family {
	return gauge("node_memory_numa_"+field, help, "node")
}

func numaCounter(field, help string) *collector.Family {
	return counter("node_memory_numa_"+field+"_total", help, "node")
}

// parseNodeMeminfo calls yield for each line of a NUMA node's meminfo (drivers/base/node.c), with the value in bytes or
// as a plain number.
func parseNodeMeminfo(b []byte, yield func(field []byte, value float64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		_, rest := cutField(line) // "Node"
		_, rest = cutField(rest)  // its number
		field, rest := cutField(rest)
		field, named := bytes.CutSuffix(field, []byte{':'})
		if !named {
			continue
		}
		value, rest := cutField(rest)
		unit, _ := cutField(rest)
		n, err := parseUint(value)
		if err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		switch string(unit) {
		case "":
		case "kB":
			n *= 1024
		default:
			return fmt.Errorf("%s has the unit %q", field, unit)
		}
		yield(field, float64(n))
	}
	return nil
}

// numaNode is a folder of /sys/devices/system/node.
type numaNode struct {
	name          string // a number
	meminfo, stat *file
}

// numaReader holds the nodes between collections; they are looked up again after a minute.
type numaReader struct {
	s       *sources
	files   fileSet
	nodes   []numaNode
	looked  time.Time
	meminfo *named
	stat    *named
}

func openMeminfoNuma(s *sources) (reader, error) {
	r := &numaReader{s: s, files: fileSet{s: s}, meminfo: newNamed(numaFamilies), stat: newNamed(numaFamilies)}
	return r.record, nil
}

func numaMeminfo(field string) *collector.Family {
	name := strings.NewReplacer("(", "_", ")", "").Replace(field) // Active(anon)
	return numaGauge(name, "Field "+field+" of the node's meminfo.")
}

func numaStat(field string) *collector.Family {
	return numaCounter(field, "Field "+field+" of the node's numastat.")
}

func (r *numaReader) find() error {
	dir := r.s.sysPath("devices/system/node")
	names, err := r.s.dir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		names = nil // a kernel without NUMA
	} else if err != nil {
		return err
	}
	r.files.reset()
	r.nodes, r.looked = nil, r.s.now()
	for _, name := range names {
		number, ok := strings.CutPrefix(name, "node")
		if _, err := parseUint([]byte(number)); !ok || err != nil {
			continue
		}
		r.nodes = append(r.nodes, numaNode{number, r.files.add(dir + "/" + name + "/meminfo"), r.files.add(dir + "/" + name + "/numastat")})
	}
	return nil
}

func (r *numaReader) record(w *collector.Writer) error {
	if len(r.nodes) == 0 || !r.s.recent(r.looked) {
		if err := r.find(); err != nil {
			return err
		}
	}
	var errs []error
	for _, node := range r.nodes {
		if err := r.recordNode(w, node); err != nil {
			errs = append(errs, fmt.Errorf("NUMA node %s: %w", node.name, err))
		}
	}
	return errors.Join(errs...)
}

func (r *numaReader) recordNode(w *collector.Writer, node numaNode) error {
	b, err := r.s.content(node.meminfo)
	if err == nil {
		err = parseNodeMeminfo(b, func(field []byte, value float64) { w.Add(r.meminfo.get(field, numaMeminfo), value, node.name) })
	}
	if err != nil {
		return err
	}
	if b, err = r.s.content(node.stat); err != nil {
		return err
	}
	return parsePairs(b, func(field, value []byte) error {
		n, err := parseUint(value)
		if err == nil {
			w.Add(r.stat.get(field, numaStat), float64(n), node.name)
		}
		return err
	})
}
