package files

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
)

// The reasons for leaving a planned file alone.
var (
	errGone    = errors.New("gone")
	errChanged = errors.New("changed since planned")
	errYoung   = errors.New("touched since planned")
	errOpen    = errors.New("open")
	errMaybe   = errors.New("possibly open (own the files or have CAP_LEASE, or see all processes)")
)

// Apply implements action.Action. Each file is checked again in its opened directory right before it is deleted.
func (c *Clean) Apply(ctx context.Context, plan receiver.Plan) (action.Result, error) {
	var data planned
	p, err := action.OpenPlan(c, plan, &data)
	if err != nil {
		return action.Result{}, err
	}
	r, err := c.request(p)
	if err != nil {
		return action.Result{}, fmt.Errorf("%w: %w", action.ErrNotApplied, err)
	}
	roots, err := openPlanned(data)
	defer closeAll(roots)
	if err != nil {
		return action.Result{}, fmt.Errorf("files.clean: %w: %w", action.ErrNotApplied, err)
	}
	used, err := scanProc(ctx, c.proc)
	if err != nil {
		return action.Result{}, fmt.Errorf("files.clean: %w: %w", action.ErrNotApplied, err)
	}
	j := job{Clean: c, request: r, used: used, left: map[string]int{}}
	err = j.run(ctx, roots, data)
	if j.deleted == 0 {
		if err == nil {
			err = fmt.Errorf("none of %s could be deleted%s", count(len(data.Files), "planned file"), leftWords(j.left))
		}
		return action.Result{}, fmt.Errorf("files.clean: %w: %w", action.ErrNotApplied, err)
	}
	res := action.Result{
		Summary: fmt.Sprintf("deleted %s, %s%s", count(j.deleted, "file"), bytesWords(j.freed), leftWords(j.left)),
		Details: action.Lines(j.names),
	}
	if err != nil {
		return res, fmt.Errorf("files.clean: stopped after deleting %d of %s: %w", j.deleted, count(len(data.Files), "file"), err)
	}
	return res, nil
}

// openPlanned opens the roots of a plan and refuses those that are not the directories that were listed.
func openPlanned(data planned) ([]*rootDir, error) {
	var roots []*rootDir
	for _, pr := range data.Roots {
		d, err := openRoot(pr.Path)
		if err != nil {
			return roots, err
		}
		roots = append(roots, d)
		if d.id != (fileID{pr.Dev, pr.Ino}) {
			return roots, fmt.Errorf("root %s is not the directory that was planned", pr.Path)
		}
	}
	return roots, nil
}

func closeAll(roots []*rootDir) {
	for _, d := range roots {
		d.Close()
	}
}

// job is one run of Apply.
type job struct {
	*Clean
	request
	used    inUse
	deleted int
	freed   int64
	names   []string
	left    map[string]int
}

func (j *job) run(ctx context.Context, roots []*rootDir, data planned) error {
	for i, f := range data.Files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.Root < 0 || f.Root >= len(roots) || j.roots[f.Root] != data.Roots[f.Root].Path {
			return errors.New("the plan names a root that is not among its parameters")
		}
		if j.deleted >= j.maxFiles || f.Size > j.maxBytes-j.freed {
			j.left["beyond the limits"]++
			continue
		}
		enough, err := j.until.reached(roots[f.Root])
		if err != nil {
			return err
		}
		if enough {
			j.left["not needed, as enough is free"]++
			continue
		}
		if err := j.one(ctx, roots[f.Root], f); err != nil {
			var why error
			for _, known := range []error{errGone, errChanged, errYoung, errOpen, errMaybe} {
				if errors.Is(err, known) {
					why = known
				}
			}
			if why == nil {
				return fmt.Errorf("delete file %d of the plan: %w", i+1, err)
			}
			j.left[why.Error()]++
			continue
		}
		j.deleted++
		j.freed += f.Size
		j.names = append(j.names, "deleted "+path.Join(data.Roots[f.Root].Path, f.Path))
	}
	return nil
}

// one deletes one file, or says why not.
func (j *job) one(ctx context.Context, root *rootDir, f plannedFile) error {
	parts := strings.Split(f.Path, "/")
	name := parts[len(parts)-1]
	for _, part := range parts {
		if part == "" || part == "." || part == ".." {
			return errChanged
		}
	}
	if !j.matches(name) {
		return errChanged
	}
	dir := root
	for _, part := range parts[:len(parts)-1] {
		sub, err := dir.sub(part)
		if dir != root {
			dir.Close()
		}
		if errors.Is(err, unix.ENOENT) {
			return errGone
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errChanged, err)
		}
		dir = sub
	}
	if dir != root {
		defer dir.Close()
	}
	j.at("opened", f.Path)
	if err := j.same(dir, name, f); err != nil {
		return err
	}
	release, err := j.mayDelete(ctx, dir, name, f)
	if err != nil {
		return err
	}
	defer release()
	j.at("checked", f.Path)
	if err := j.same(dir, name, f); err != nil {
		return err
	}
	// unlinkat without AT_REMOVEDIR: a directory that took the name's place stays.
	err = unix.Unlinkat(int(dir.self.Fd()), name, 0)
	if errors.Is(err, unix.ENOENT) {
		return errGone
	}
	return err
}

// same tells whether name is still the planned file, and still old.
func (j *job) same(dir *rootDir, name string, f plannedFile) error {
	var st unix.Stat_t
	if err := dir.lstat(name, &st); err != nil {
		return errGone
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || idOf(&st) != (fileID{dir.id.dev, f.Ino}) ||
		st.Size != f.Size || mtimeOf(&st) != f.Mtime || st.Nlink != 1 {
		return errChanged
	}
	if young(&st, j.now().Add(-j.olderThan)) {
		return errYoung
	}
	return nil
}

// mayDelete returns nil if nobody has the file open, together with what ends the lease that keeps it so.
func (j *job) mayDelete(ctx context.Context, dir *rootDir, name string, f plannedFile) (release func(), err error) {
	id := fileID{dir.id.dev, f.Ino}
	if j.used.has(id) {
		return nil, errOpen
	}
	fd, err := unix.Openat(int(dir.self.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == nil {
		state, err := j.lease(fd)
		switch state {
		case closed:
			return func() { _ = unix.Close(fd) }, nil
		case open:
			_ = unix.Close(fd)
			return nil, errOpen
		case unknown:
		}
		_ = unix.Close(fd)
		if err == nil {
			return nil, errMaybe
		}
	} else if errors.Is(err, unix.EAGAIN) { // another process holds a lease
		return nil, errOpen
	}
	// The kernel does not say; then only a complete and fresh look at all processes will do.
	now, err := scanProc(ctx, j.proc)
	switch {
	case err != nil:
		return nil, err
	case now.has(id):
		return nil, errOpen
	case !now.complete:
		return nil, errMaybe
	}
	return func() {}, nil
}

func (j *job) at(step, path string) {
	if j.pause != nil {
		j.pause(step, path)
	}
}
