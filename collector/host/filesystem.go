package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

const (
	statWorkers  = 4                      // statfs calls begun at the same time
	statPatience = 100 * time.Millisecond // before a worker leaves a slow mount point to itself and takes the next
	stuckError   = "mountpoint timeout"   // device_error of a mount point that does not answer
)

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
	statfs     func(path string, buf *unix.Statfs_t) error

	tables []file  // in which mounts are looked up, the first that can be read
	buf    []byte  // of the table read last
	text   []byte  // of the table that listed was made from
	listed []mount // of text, without what is excluded

	mu    sync.Mutex
	calls map[string]*statCall // under way, by mount point
}

// statCall is one call of statfs(2).
type statCall struct {
	done chan struct{}
	stat unix.Statfs_t // valid once done is closed
	err  error
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
		o: o, skipMount: skipMount, skipFSType: skipFSType, statfs: statfs, calls: make(map[string]*statCall),
		// The mounts of process 1 are the host's even if this process has some of its own.
		tables: []file{
			{path: filepath.Join(o.ProcFS, "1/mountinfo")},
			{path: filepath.Join(o.ProcFS, "self/mountinfo")},
		},
	}, nil
}

func statfs(path string, buf *unix.Statfs_t) error {
	for {
		if err := unix.Statfs(path, buf); err != unix.EINTR {
			return err
		}
	}
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
		points := make([]string, 0, len(mounts))
		seen := make(map[string]bool, len(mounts)) // one point may have several mounts above each other
		for _, m := range mounts {
			if !seen[m.point] {
				seen[m.point] = true
				points = append(points, m.point)
			}
		}
		answers := f.ask(ctx, points)
		for _, m := range mounts {
			if call, asked := answers[m.point]; asked {
				record(w, m, call)
			}
		}
		if n := len(points) - len(answers); n > 0 {
			return fmt.Errorf("%d of %d mount points were not asked: too many others do not answer", n, len(points))
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

// ask returns for each mount point what it answered, nil if nothing in time. Mount points that there was no time to
// ask are missing.
func (f *Filesystem) ask(ctx context.Context, points []string) map[string]*statCall {
	ctx, cancel := context.WithTimeout(ctx, f.o.MountTimeout)
	defer cancel()
	calls := make([]*statCall, len(points))
	asked := make([]bool, len(points))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(statWorkers, len(points)) {
		wg.Go(func() {
			patience := time.NewTimer(statPatience)
			defer patience.Stop()
			for i := range next {
				if ctx.Err() != nil {
					continue
				}
				asked[i] = true
				if calls[i] = f.begin(points[i]); calls[i] == nil {
					continue // stuck since an earlier scrape
				}
				patience.Reset(statPatience)
				select {
				case <-calls[i].done:
				case <-patience.C:
				case <-ctx.Done():
				}
			}
		})
	}
	for i := range points {
		next <- i
	}
	close(next)
	wg.Wait()

	answers := make(map[string]*statCall, len(points))
	for i, point := range points {
		if !asked[i] {
			continue
		}
		answers[point] = nil
		if calls[i] != nil && calls[i].wait(ctx) {
			answers[point] = calls[i]
		} else if calls[i] != nil {
			f.o.Logger.Warn("Mount point does not answer; it is not asked again until it does", "mountpoint", point)
		}
	}
	return answers
}

// wait reports whether the call came back before ctx ended.
func (c *statCall) wait(ctx context.Context) bool {
	select {
	case <-c.done:
		return true
	default:
	}
	select {
	case <-c.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// begin starts a call. It returns nil if one is still under way for that mount point.
func (f *Filesystem) begin(point string) *statCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls[point] != nil {
		return nil
	}
	call := &statCall{done: make(chan struct{})}
	f.calls[point] = call
	go func() {
		call.err = f.statfs(filepath.Join(f.o.RootFS, point), &call.stat)
		f.mu.Lock()
		delete(f.calls, point)
		f.mu.Unlock()
		close(call.done)
	}()
	return call
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
