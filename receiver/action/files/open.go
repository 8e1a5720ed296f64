package files

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// openness is what is known about other users of a file.
type openness int

const (
	unknown openness = iota
	closed
	open
)

// hostPIDs is what /proc/self/ns/pid of a process in the first PID namespace points to (PROC_PID_INIT_INO).
const hostPIDs = "pid:[4026531836]"

// inUse lists the files that processes have open or mapped.
type inUse struct {
	files    map[fileID]struct{}
	mapped   map[uint64]struct{} // inodes alone: maps names another device than stat on btrfs and overlayfs
	complete bool                // every process of the machine was seen
}

func (u inUse) has(id fileID) bool {
	_, isOpen := u.files[id]
	_, isMapped := u.mapped[id.ino]
	return isOpen || isMapped
}

// scanProc reads the descriptors and mappings of every process that it may see.
func scanProc(ctx context.Context, proc string) (inUse, error) {
	u := inUse{files: map[fileID]struct{}{}, mapped: map[uint64]struct{}{}}
	dirs, err := os.ReadDir(proc)
	if err != nil {
		return u, fmt.Errorf("list processes to find open files: %w", err)
	}
	ns, err := os.Readlink(filepath.Join(proc, "self/ns/pid"))
	u.complete = err == nil && ns == hostPIDs
	first := false // a process list without the first process hides others too (hidepid)
	for _, d := range dirs {
		if err := ctx.Err(); err != nil {
			return u, err
		}
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		first = first || pid == 1
		dir := filepath.Join(proc, d.Name())
		if err := errors.Join(u.addDescriptors(dir), u.addMappings(dir)); err != nil {
			u.complete = false
		}
	}
	u.complete = u.complete && first
	return u, nil
}

func (u inUse) addDescriptors(dir string) error {
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return unlessGone(err)
	}
	var failed error
	for _, fd := range fds {
		var st unix.Statx_t
		// The cached answer will do, and does not hang on a dead network file system.
		err := unix.Statx(unix.AT_FDCWD, filepath.Join(dir, "fd", fd.Name()), unix.AT_STATX_DONT_SYNC, unix.STATX_INO|unix.STATX_TYPE, &st)
		if err != nil {
			failed = errors.Join(failed, unlessGone(err))
			continue
		}
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			u.files[fileID{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}] = struct{}{}
		}
	}
	return failed
}

func (u inUse) addMappings(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "maps"))
	if err != nil {
		return unlessGone(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		// address perms offset dev inode path, proc(5)
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 5 {
			continue
		}
		if ino, err := strconv.ParseUint(string(fields[4]), 10, 64); err == nil && ino != 0 {
			u.mapped[ino] = struct{}{}
		}
	}
	return lines.Err()
}

// unlessGone returns nil for the errors of a process or descriptor that ended meanwhile.
func unlessGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// takeLease asks for a write lease (fcntl(2), F_SETLEASE), which the kernel grants only while no other open file
// description of the inode exists in any process, container or the kernel. While it is held, opening the file waits.
func takeLease(fd int) (openness, error) {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_WRLCK)
	switch {
	case err == nil:
		return closed, nil
	case errors.Is(err, unix.EAGAIN):
		return open, nil
	}
	return unknown, err // not the owner (EACCES), or not supported by the file system (EINVAL)
}
