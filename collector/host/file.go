package host

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// file is a kernel file that is kept open: reading one again from the start costs a fraction of opening it anew.
// It is not for files that follow another process or a device that can go away.
type file struct {
	path  string
	small bool // one read gives all of it, as with a sysctl or an attribute of sysfs
	once  bool // closed after each reading

	fd     int // valid if opened
	opened bool

	missing error     // why it could not be found
	looked  time.Time // when that was
}

// read returns the whole file in buf, grown as needed.
func (f *file) read(buf []byte) ([]byte, error) {
	again := f.opened
	b, err := f.pread(buf)
	if err != nil && again { // once more with a fresh descriptor: the file may have been mounted anew
		f.close()
		b, err = f.pread(b)
	}
	if err != nil || f.once {
		f.close()
	}
	return b, err
}

func (f *file) pread(buf []byte) ([]byte, error) {
	buf = buf[:0]
	fd, err := f.open()
	if err != nil {
		return buf, err
	}
	for {
		buf = grow(buf)
		room := buf[len(buf):cap(buf)]
		n, err := unix.Pread(fd, room, int64(len(buf)))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return buf, &os.PathError{Op: "read", Path: f.path, Err: err}
		}
		buf = buf[:len(buf)+n]
		if n == 0 || f.small && n < len(room) {
			return buf, nil
		}
	}
}

// lines calls yield for each line, without its end, of a file that may be too large to hold, and returns buf for the
// next reading.
func (f *file) lines(buf []byte, yield func(line []byte) error) ([]byte, error) {
	buf = buf[:0]
	again := f.opened
	for at := int64(0); ; {
		fd, err := f.open()
		if err != nil {
			return buf, err
		}
		buf = grow(buf)
		n, err := unix.Pread(fd, buf[len(buf):cap(buf)], at)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			f.close()
			if again && at == 0 { // as in read
				again = false
				continue
			}
			return buf, &os.PathError{Op: "read", Path: f.path, Err: err}
		}
		at += int64(n)
		rest := buf[:len(buf)+n]
		for {
			line, after, ok := bytes.Cut(rest, []byte{'\n'})
			if !ok {
				break
			}
			if err := yield(line); err != nil {
				return buf, fmt.Errorf("%s: %w", f.path, err)
			}
			rest = after
		}
		buf = buf[:copy(buf[:cap(buf)], rest)]
		if n == 0 {
			if len(buf) > 0 {
				if err := yield(buf); err != nil {
					return buf, fmt.Errorf("%s: %w", f.path, err)
				}
			}
			return buf, nil
		}
	}
}

// open returns the file's descriptor, which stays f's.
func (f *file) open() (int, error) {
	if f.opened {
		return f.fd, nil
	}
	fd, err := open(f.path, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: f.path, Err: err}
	}
	f.fd, f.opened = fd, true
	return fd, nil
}

func (f *file) close() {
	if f.opened {
		unix.Close(f.fd)
		f.opened = false
	}
}

// readFile returns the whole file in buf, grown as needed. It takes three system calls where os.ReadFile takes eight.
func readFile(path string, buf []byte) ([]byte, error) {
	buf = buf[:0]
	fd, err := open(path, 0)
	if err != nil {
		return buf, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return readAll(fd, path, buf, math.MaxInt)
}

// readAll appends what can be read from fd to buf, and stops once there are more than so many bytes.
func readAll(fd int, path string, buf []byte, most int) ([]byte, error) {
	for len(buf) <= most {
		buf = grow(buf)
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return buf, &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return buf, nil
		default:
			buf = buf[:len(buf)+n]
		}
	}
	return buf, nil
}

// readAttribute returns what one read of a file yields, in buf, grown as needed. For an attribute of sysfs that is all.
// A relative path is one below the folder dir.
func readAttribute(dir int, path string, buf []byte) ([]byte, error) {
	buf = grow(buf[:0])
	fd, err := openAt(dir, path, 0)
	if err != nil {
		return buf, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Read(fd, buf[:cap(buf)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return buf, &os.PathError{Op: "read", Path: path, Err: err}
		}
		return buf[:n], nil
	}
}

// readDir returns the names in a folder, in no order.
func readDir(path string) ([]string, error) {
	fd, err := open(path, unix.O_DIRECTORY) // so that a pipe is not waited for
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var names []string
	buf := make([]byte, 4096)
	for {
		n, err := unix.ReadDirent(fd, buf)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &os.PathError{Op: "readdir", Path: path, Err: err}
		case n == 0:
			return names, nil
		default:
			_, _, names = unix.ParseDirent(buf[:n], -1, names)
		}
	}
}

// open opens for reading; flags are those that are needed besides.
func open(path string, flags int) (int, error) { return openAt(unix.AT_FDCWD, path, flags) }

func openAt(dir int, path string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, path, unix.O_RDONLY|unix.O_CLOEXEC|flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// grow makes room for at least 512 bytes more.
func grow(buf []byte) []byte {
	if cap(buf)-len(buf) >= 512 {
		return buf
	}
	bigger := make([]byte, len(buf), max(2*cap(buf), 8192))
	copy(bigger, buf)
	return bigger
}
