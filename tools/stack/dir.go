package stack

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const dirPrefix = "chronoops-stack-"

// TempDir makes a folder that is removed by the returned function, or, if this program is killed, by a later TempDir: a
// folder whose lock nobody holds has lost its owner.
func TempDir(name string) (string, func(), error) {
	base, err := openBase()
	if err != nil {
		return "", nil, err
	}
	return makeDir(base, name)
}

func makeDir(base, name string) (string, func(), error) {
	sweep(base)
	sweep(memory)
	dir, err := os.MkdirTemp(base, dirPrefix+name+"-")
	if err != nil {
		return "", nil, err
	}
	held, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return "", nil, errors.Join(err, held.Close(), os.RemoveAll(dir))
	}
	return dir, func() {
		os.RemoveAll(dir)
		held.Close()
	}, nil
}

// openBase is the temporary folder, or, where root's is closed to the users that servers run as, one that is open.
func openBase() (string, error) {
	bases := []string{os.TempDir()}
	if os.Geteuid() == 0 {
		bases = append(bases, "/tmp", "/var/tmp")
	}
	for _, base := range bases {
		if os.Geteuid() != 0 || open(base) {
			return base, nil
		}
	}
	return "", errors.New("no temporary folder that other users can enter: set TMPDIR to one")
}

func open(dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// sweep removes the folders of programs that were killed. Young ones are left: their lock may be about to be taken.
func sweep(base string) {
	dirs, _ := filepath.Glob(filepath.Join(base, dirPrefix+"*"))
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		f.Close()
	}
}
