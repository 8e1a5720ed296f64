package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// fileID identifies an inode.
type fileID struct{ dev, ino uint64 }

func idOf(st *unix.Stat_t) fileID {
	return fileID{unix.Mkdev(unix.Major(uint64(st.Dev)), unix.Minor(uint64(st.Dev))), st.Ino} //nolint:unconvert // Dev has 32 bits on some architectures
}

// Directories that are never a root, and those of which nothing below them is either.
var (
	neverRoots = []string{
		"/", "/home", "/lost+found", "/media", "/mnt", "/opt", "/root", "/srv", "/var", "/var/backups", "/var/lib", "/var/mail", "/var/spool",
	}
	neverBelow = []string{
		"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/run",
	}
)

// checkRoot judges a root by its name alone.
func (c *Clean) checkRoot(root string) error {
	if !filepath.IsAbs(root) || filepath.Clean(root) != root {
		return fmt.Errorf("root %q must be absolute and plain, without '..', '//' or a '/' at its end", root)
	}
	home := filepath.Dir(root) == "/home"
	if home || slices.Contains(neverRoots, root) || slices.ContainsFunc(neverBelow, func(d string) bool { return within(root, d) }) {
		return fmt.Errorf("root %s is refused as too much would be at stake: name the directory of one program's old files", root)
	}
	for _, p := range c.protected {
		if p = filepath.Clean(p); within(root, p) || within(p, root) {
			return fmt.Errorf("root %s is refused: it holds or lies in the protected %s", root, p)
		}
	}
	if !slices.Contains(c.allowed, root) {
		return fmt.Errorf("root %s is not configured: only roots that a policy names are cleaned", root)
	}
	return nil
}

// within tells whether path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// rootDir is an opened directory that is a root or lies below one.
type rootDir struct {
	*os.Root
	self  *os.File // the directory itself, for the calls that take a descriptor
	id    fileID
	mount string
}

// Close closes the directory.
func (d *rootDir) Close() {
	_ = d.self.Close()
	_ = d.Root.Close()
}

// openRoot opens a root none of whose path elements is a symlink.
func openRoot(path string) (*rootDir, error) {
	want, err := walkPlain(path)
	if err != nil {
		return nil, fmt.Errorf("open root %s: %w", path, err)
	}
	r, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	d, err := newDir(r)
	if err != nil {
		return nil, fmt.Errorf("open root %s: %w", path, err)
	}
	if d.id != want {
		d.Close()
		return nil, fmt.Errorf("open root %s: it was replaced meanwhile", path)
	}
	return d, nil
}

// walkPlain returns the identity of the directory that path leads to without any symlink.
func walkPlain(path string) (fileID, error) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fileID{}, err
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		next, err := unix.Openat(fd, part, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		_ = unix.Close(fd)
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			return fileID{}, fmt.Errorf("%q is a symlink or no directory: name the real directory", part)
		}
		if err != nil {
			return fileID{}, err
		}
		fd = next
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fileID{}, err
	}
	return idOf(&st), nil
}

func newDir(r *os.Root) (*rootDir, error) {
	self, err := r.Open(".")
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	d := &rootDir{Root: r, self: self}
	var st unix.Stat_t
	if err := unix.Fstat(int(self.Fd()), &st); err != nil {
		d.Close()
		return nil, err
	}
	d.id = idOf(&st)
	if d.mount, err = mountOf(int(self.Fd())); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

var errElsewhere = errors.New("a symlink, a mount or not the same directory any more")

// sub opens a directory directly below d, unless it is a symlink or another mount begins there.
func (d *rootDir) sub(name string) (*rootDir, error) {
	var st unix.Stat_t
	if err := d.lstat(name, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil, errElsewhere
	}
	r, err := d.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	s, err := newDir(r)
	if err != nil {
		return nil, err
	}
	// The mount is compared too, as a bind mount of the same file system has the same device.
	if s.id != idOf(&st) || s.id.dev != d.id.dev || s.mount != d.mount {
		s.Close()
		return nil, errElsewhere
	}
	return s, nil
}

func (d *rootDir) lstat(name string, st *unix.Stat_t) error {
	return unix.Fstatat(int(d.self.Fd()), name, st, unix.AT_SYMLINK_NOFOLLOW)
}

// mountOf reads mnt_id of /proc/self/fdinfo (Linux 3.15), the number of the mount that fd was opened through.
func mountOf(fd int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
	if err != nil {
		return "", fmt.Errorf("tell mounts apart: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strings.TrimSpace(id), nil
		}
	}
	return "", errors.New("tell mounts apart: no mnt_id in /proc/self/fdinfo")
}
