package host

import (
	"errors"
	"fmt"

	"github.com/chronoops/chronoops/collector"
)

const (
	sectors    = 1. / 512 // in a byte; the kernel counts these whatever the device's own sectors are
	millis     = 1000     // in a second
	diskFields = 17
)

var diskArea = area{name: "diskstats", families: diskFamilies, open: openDisks}

// diskStat is a column of /proc/diskstats (Documentation/admin-guide/iostats.rst) and what it is divided by.
type diskStat struct {
	family *collector.Family
	unit   float64
}

var diskStats = [diskFields]diskStat{
	{counter("node_disk_reads_completed_total", "Reads completed.", "device"), 1},
	{counter("node_disk_reads_merged_total", "Reads merged with a neighbouring one.", "device"), 1},
	{counter("node_disk_read_bytes_total", "Bytes read.", "device"), sectors},
	{counter("node_disk_read_time_seconds_total", "Time spent by all reads.", "device"), millis},
	{counter("node_disk_writes_completed_total", "Writes completed.", "device"), 1},
	{counter("node_disk_writes_merged_total", "Writes merged with a neighbouring one.", "device"), 1},
	{counter("node_disk_written_bytes_total", "Bytes written.", "device"), sectors},
	{counter("node_disk_write_time_seconds_total", "Time spent by all writes.", "device"), millis},
	{gauge("node_disk_io_now", "Requests in progress.", "device"), 1},
	{counter("node_disk_io_time_seconds_total", "Time with at least one request in progress.", "device"), millis},
	{counter("node_disk_io_time_weighted_seconds_total", "Time with requests in progress, multiplied with their number.", "device"), millis},
	{counter("node_disk_discards_completed_total", "Discards completed.", "device"), 1},
	{counter("node_disk_discards_merged_total", "Discards merged with a neighbouring one.", "device"), 1},
	{counter("node_disk_discarded_sectors_total", "Sectors of 512 bytes discarded.", "device"), 1},
	{counter("node_disk_discard_time_seconds_total", "Time spent by all discards.", "device"), millis},
	{counter("node_disk_flush_requests_total", "Flush requests completed.", "device"), 1},
	{counter("node_disk_flush_requests_time_seconds_total", "Time spent by all flush requests.", "device"), millis},
}

var diskFamilies = func() []*collector.Family {
	var fs []*collector.Family
	for _, s := range diskStats {
		fs = append(fs, s.family)
	}
	return append(fs, udevFamilies...)
}()

// disk is a line of /proc/diskstats.
type disk struct {
	major, minor uint64
	name         []byte
	values       [diskFields]uint64
	n            int // values there are: 11 before Linux 4.18, 15 before 5.5
}

// parseDiskstats calls yield for each line of /proc/diskstats.
func parseDiskstats(b []byte, yield func(d *disk)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		first, rest := cutField(line)
		if first == nil {
			continue
		}
		var d disk
		second, rest := cutField(rest)
		d.name, rest = cutField(rest)
		var err error
		if d.major, err = parseUint(first); err == nil {
			d.minor, err = parseUint(second)
		}
		if err == nil && d.name != nil {
			d.n, err = parseUints(rest, d.values[:])
		}
		if err == nil && d.n == 0 {
			err = errors.New("no statistics")
		}
		if err != nil {
			return fmt.Errorf("/proc/diskstats: %q: %w", line, err)
		}
		yield(&d)
	}
	return nil
}

// knownDisk is what is held of a disk between collections.
type knownDisk struct {
	major, minor uint64
	skip         bool
	series       [diskFields]*collector.Series
	facts        diskFacts
	round        uint64 // the collection that saw it last
}

// diskReader holds the disks between collections.
type diskReader struct {
	s    *sources
	f    *file
	skip func(name string) bool

	w     *collector.Writer // that the series belong to
	disks map[string]*knownDisk
}

func openDisks(s *sources) (reader, error) {
	skip, err := s.o.Disks.only()
	if err != nil {
		return nil, err
	}
	r := &diskReader{s: s, f: s.proc("diskstats"), skip: skip}
	return r.record, nil
}

func (r *diskReader) record(w *collector.Writer) error {
	b, err := r.s.content(r.f)
	if err != nil {
		return err
	}
	if r.w != w {
		r.w, r.disks = w, make(map[string]*knownDisk)
	}
	if err := parseDiskstats(b, r.recordDisk); err != nil {
		return err
	}
	for name, d := range r.disks {
		if d.round != r.s.round {
			delete(r.disks, name)
		}
	}
	return nil
}

func (r *diskReader) recordDisk(d *disk) {
	known := r.disks[string(d.name)]
	if known == nil || known.major != d.major || known.minor != d.minor {
		name := string(d.name)
		known = &knownDisk{major: d.major, minor: d.minor, skip: r.skip(name), facts: newDiskFacts(r.s, d)}
		r.disks[name] = known
	}
	known.round = r.s.round
	if known.skip {
		return
	}
	for i, stat := range diskStats[:d.n] {
		if known.series[i] == nil {
			known.series[i] = r.w.Series(stat.family, known.facts.name)
		}
		known.series[i].Set(float64(d.values[i]) / stat.unit)
	}
	known.facts.record(r.s, r.w)
}
