package files

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// walker gathers the oldest files; its memory is bounded by max_files, however many files there are.
type walker struct {
	request
	cutoff time.Time
	used   inUse
	found  youngestFirst
	left   map[string]int // matching files that were left alone, by reason
}

// youngestFirst is a heap whose top is the first to be dropped.
type youngestFirst []plannedFile

func (h youngestFirst) Len() int           { return len(h) }
func (h youngestFirst) Less(i, j int) bool { return older(h[j], h[i]) < 0 }
func (h youngestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *youngestFirst) Push(x any)        { *h = append(*h, x.(plannedFile)) }
func (h *youngestFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// older orders by age, and by name among the equally old, so that one state gives one plan.
func older(a, b plannedFile) int {
	return cmp.Or(cmp.Compare(a.Mtime, b.Mtime), cmp.Compare(a.Root, b.Root), cmp.Compare(a.Path, b.Path))
}

func (w *walker) walk(ctx context.Context, root *rootDir, index int) error {
	return w.dir(ctx, root, index, "", 0)
}

func (w *walker) dir(ctx context.Context, d *rootDir, root int, rel string, depth int) error {
	for {
		entries, err := d.self.ReadDir(256)
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.entry(ctx, d, root, path.Join(rel, e.Name()), e.Name(), depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (w *walker) entry(ctx context.Context, d *rootDir, root int, rel, name string, depth int) error {
	var st unix.Stat_t
	if err := d.lstat(name, &st); err != nil {
		return nil // gone meanwhile
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		if depth == maxDepth {
			w.left["directories too deep"]++
			return nil
		}
		sub, err := d.sub(name)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err != nil {
			w.left["directories unreadable or on another mount"]++
			return nil
		}
		defer sub.Close()
		err = w.dir(ctx, sub, root, rel, depth+1)
		if err != nil && ctx.Err() == nil {
			w.left["directories unreadable or on another mount"]++
			return nil
		}
		return err
	case unix.S_IFREG:
		w.file(&st, d, root, rel, name)
	}
	return nil
}

func (w *walker) file(st *unix.Stat_t, d *rootDir, root int, rel, name string) {
	if !w.matches(name) || young(st, w.cutoff) {
		return
	}
	id := idOf(st)
	switch {
	case id.dev != d.id.dev:
		w.left["on another device"]++
	case !utf8.ValidString(rel):
		w.left["not named in UTF-8"]++
	case st.Nlink != 1:
		w.left["with several hard links"]++
	case w.used.has(id):
		w.left["open"]++
	default:
		heap.Push(&w.found, plannedFile{Root: root, Path: rel, Ino: st.Ino, Size: st.Size, Mtime: mtimeOf(st)})
		if len(w.found) > w.maxFiles {
			heap.Pop(&w.found)
			w.left["beyond max_files"]++
		}
	}
}

// choose returns the oldest files that fit into the byte budget, and their size.
func (w *walker) choose() ([]plannedFile, int64) {
	files := []plannedFile(w.found)
	slices.SortFunc(files, older)
	var total int64
	chosen := make([]plannedFile, 0, len(files))
	for _, f := range files {
		if f.Size > w.maxBytes-total {
			w.left["beyond max_bytes"]++
			continue
		}
		total += f.Size
		chosen = append(chosen, f)
	}
	return chosen, total
}

// young tells whether a file was modified, renamed, linked or otherwise touched since cutoff.
func young(st *unix.Stat_t, cutoff time.Time) bool {
	ctime := time.Unix(st.Ctim.Unix())
	return !time.Unix(0, mtimeOf(st)).Before(cutoff) || !ctime.Before(cutoff)
}

func mtimeOf(st *unix.Stat_t) int64 { return st.Mtim.Nano() }
