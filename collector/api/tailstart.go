package api

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// start takes up the position of an earlier run, if there is one.
func (t *tailer) start() error {
	st, err := loadState(t.state, t.path)
	if err != nil {
		t.log.Warn("Start at the end of the access log: its position cannot be read", "path", t.path, "err", err)
	}
	age := t.now().Sub(st.Saved)
	fresh := st.Path != "" && age <= maxBacklog && age >= -maxBacklog
	if fresh {
		t.marks = st.Files
		t.resume(st.Files)
	}
	cur, err := t.open(t.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // follow will find it, and read it from its beginning
	}
	if err != nil {
		return err
	}
	if !fresh {
		size, err := cur.size()
		if err != nil {
			cur.f.Close()
			return fmt.Errorf("read access log: %w", err)
		}
		if st.Path != "" {
			t.passOver(cur, st, size)
		}
		cur.seek(size)
	}
	t.cur = cur
	return nil
}

// passOver counts what is not read because the state is too old.
func (t *tailer) passOver(cur *follower, st state, size int64) {
	skipped := size
	for _, m := range st.Files {
		if cur.knows(m) {
			skipped = size - m.Offset
		}
	}
	t.skipped += skipped
	t.log.Warn("Pass over what was written to the access log while nobody read it", "path", t.path, "bytes", skipped, "since", st.Saved)
}

// resume opens the files that were live when the state was written and have another name now.
func (t *tailer) resume(files []mark) {
	if !slices.ContainsFunc(files, func(m mark) bool { return m.Live }) {
		return
	}
	named, _ := os.Stat(t.path)
	for _, path := range siblings(t.path) {
		fi, err := os.Stat(path)
		if err != nil || !fi.Mode().IsRegular() || named != nil && os.SameFile(fi, named) {
			continue
		}
		device, inode := fileID(fi)
		for _, m := range files {
			if !m.Live || m.Device != device || m.Inode != inode || len(t.old) >= maxOld {
				continue
			}
			fo, err := t.open(path)
			if err != nil {
				t.log.Warn("Cannot read rotated access log", "path", path, "err", err)
				continue
			}
			if fo.pos != m.Offset {
				fo.f.Close() // another file with the same inode
				continue
			}
			t.old = append(t.old, fo)
		}
	}
}

// siblings lists the files beside the log and beside what it links to.
func siblings(path string) []string {
	dirs := []string{filepath.Dir(path)}
	if real, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(real) != dirs[0] {
		dirs = append(dirs, filepath.Dir(real))
	}
	var paths []string
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err != nil {
			continue
		}
		names, _ := d.Readdirnames(maxSiblings)
		d.Close()
		for _, name := range names {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths
}
