package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/chronoops/chronoops/collector"
)

const stuckError = "mountpoint timeout" // device_error of a mount point that does not answer

var (
	fsLabels      = []string{"device", "mountpoint", "fstype", "device_error"}
	fsSize        = gauge("node_filesystem_size_bytes", "Size of the file system.", fsLabels...)
	fsFree        = gauge("node_filesystem_free_bytes", "Free space, including what only root may use.", fsLabels...)
	fsAvail       = gauge("node_filesystem_avail_bytes", "Free space for ordinary users.", fsLabels...)
	fsFiles       = gauge("node_filesystem_files", "Inodes of the file system.", fsLabels...)
	fsFilesFree   = gauge("node_filesystem_files_free", "Free inodes.", fsLabels...)
	fsPurgeable   = gauge("node_filesystem_purgeable_bytes", "Space that could be freed by purging, which Linux has none of.", fsLabels...)
	fsReadonly    = gauge("node_filesystem_readonly", "1 if the file system is mounted read-only or became so.", fsLabels...)
	fsDeviceError = gauge("node_filesystem_device_error", "1 if the file system could not be read; the label tells why.", fsLabels...)
	fsMountInfo   = gauge("node_filesystem_mount_info", "Device number of the mounted file system.", "device", "major", "minor", "mountpoint")
	fsFamilies    = []*collector.Family{fsSize, fsFree, fsAvail, fsFiles, fsFilesFree, fsPurgeable, fsReadonly, fsDeviceError, fsMountInfo}
)

// Filesystem asks every mounted file system for its size. A mount point that does not answer, such as one of a dead
// NFS server, costs nothing but its own samples and is not asked again before its last call has come back.
type Filesystem struct {
	o          Options
	skipMount  func(mountPoint string) bool
	skipFSType func(fstype string) bool
	asker

	tables []file  // in which mounts are looked up, the first that can be read
	buf    []byte  // of the table read last
	text   []byte  // of the table that listed was made from
	listed []mount // of text, without what is excluded
}

// NewFilesystem returns a collector over o.
func NewFilesystem(o Options) (*Filesystem, error) {
	skipMount, err := o.MountPoints.only()
	if err != nil {
		return nil, fmt.Errorf("collector filesystem: mount points: %w", err)
	}
	skipFSType, err := o.FSTypes.only()
	if err != nil {
		return nil, fmt.Errorf("collector filesystem: file system types: %w", err)
	}
	return &Filesystem{
		o: o, skipMount: skipMount, skipFSType: skipFSType,
		asker: asker{
			root: o.RootFS, timeout: o.MountTimeout, log: o.Logger, statfs: statfs, calls: make(map[place]*statCall),
		},
		// The mounts of process 1 are the host's even if this process has some of its own.
		tables: []file{
			{path: filepath.Join(o.ProcFS, "1/mountinfo")},
			{path: filepath.Join(o.ProcFS, "self/mountinfo")},
		},
	}, nil
}

// Parts implements collector.Collector.
func (f *Filesystem) Parts() []collector.Part {
	return []collector.Part{{Name: "filesystem", Default: true, Families: fsFamilies}}
}

// Close closes the table of mounts; a later collection opens it again.
func (f *Filesystem) Close() {
	for i := range f.tables {
		f.tables[i].close()
	}
}

// Collect implements collector.Collector.
func (f *Filesystem) Collect(ctx context.Context, w *collector.Writer) error {
	w.Part("filesystem", func() error {
		mounts, err := f.mounts()
		if err != nil {
			return err
		}
		places := make([]place, 0, len(mounts))
		at := make(map[string]int, len(mounts)) // one point may have several mounts, of which the last lies above
		for _, m := range mounts {
			i, seen := at[m.point]
			if !seen {
				i = len(places)
				places, at[m.point] = append(places, place{}), i
			}
			places[i] = place{m.point, m.major, m.minor}
		}
		answers := f.ask(ctx, places)
		for _, m := range mounts {
			if call, asked := answers[m.point]; asked {
				record(w, m, call)
			}
		}
		if n := len(places) - len(answers); n > 0 {
			return fmt.Errorf("%d of %d mount points were not asked: too many others do not answer", n, len(places))
		}
		return nil
	})
	return nil
}

// mounts returns what is mounted and not excluded, without repetitions.
func (f *Filesystem) mounts() ([]mount, error) {
	var err error
	for i := range f.tables {
		f.buf, err = f.tables[i].read(f.buf)
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if f.listed != nil && bytes.Equal(f.buf, f.text) { // as nearly always
		return f.listed, nil
	}
	all, err := parseMountinfo(f.buf)
	if err != nil {
		return nil, err
	}
	type labels struct{ device, point, fstype string }
	seen := make(map[labels]int, len(all))
	kept := all[:0]
	for _, m := range all {
		m.point = stripRoot(m.point, f.o.RootFS)
		l := labels{m.device, m.point, m.fstype}
		if f.skipMount(m.point) || f.skipFSType(m.fstype) {
			continue
		}
		if i, ok := seen[l]; ok {
			kept[i] = m // the later one lies above
			continue
		}
		seen[l] = len(kept)
		kept = append(kept, m)
	}
	f.text, f.listed = append(f.text[:0], f.buf...), kept
	return kept, nil
}

func record(w *collector.Writer, m mount, call *statCall) {
	reason := ""
	switch {
	case call == nil:
		reason = stuckError
	case call.err != nil:
		reason = call.err.Error()
	}
	add := func(f *collector.Family, v float64) { w.Add(f, v, m.device, m.point, m.fstype, reason) }
	add(fsDeviceError, bool01(reason != ""))
	add(fsReadonly, bool01(m.readonly))
	if reason != "" {
		return
	}
	s, size := &call.stat, float64(call.stat.Bsize)
	add(fsSize, float64(s.Blocks)*size)
	add(fsFree, float64(s.Bfree)*size)
	add(fsAvail, float64(s.Bavail)*size)
	add(fsFiles, float64(s.Files))
	add(fsFilesFree, float64(s.Ffree))
	add(fsPurgeable, 0)
	w.Add(fsMountInfo, 1, m.device, m.major, m.minor, m.point)
}
