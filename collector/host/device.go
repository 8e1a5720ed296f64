package host

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// devices remembers what seldom changes about the devices of a class, by path: names, labels, which files there are.
// Values are read at every scrape, words once a minute, or at once if another device has taken the place of one.
type devices[T any] map[string]*device[T]

type device[T any] struct {
	words T
	id    deviceID
	at    time.Time
	round uint64
}

// deviceID differs if another device has got the same path: sysfs numbers its inodes anew.
type deviceID struct {
	inode   uint64
	changed unix.Timespec
}

// get returns what look found out about the device at path.
func (d devices[T]) get(s *sources, path string, look func(path string) (T, error)) (T, error) {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		delete(d, path)
		return *new(T), fmt.Errorf("stat %s: %w", path, err)
	}
	id := deviceID{stat.Ino, stat.Ctim}
	if known, ok := d[path]; ok && known.id == id && s.recent(known.at) {
		known.round = s.round
		return known.words, nil
	}
	words, err := look(path)
	if err != nil {
		delete(d, path)
		return words, err
	}
	d[path] = &device[T]{words: words, id: id, at: s.now(), round: s.round}
	return words, nil
}

// forget drops the devices that this collection did not meet.
func (d devices[T]) forget(s *sources) {
	maps.DeleteFunc(d, func(_ string, known *device[T]) bool { return known.round != s.round })
}

// integer returns the number in a small file. Base 0 reads 0x as hexadecimal.
func (s *sources) integer(path string, base int) (float64, error) {
	b, err := s.attribute(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(b, base, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return float64(n), nil
}

// word returns a small file's text, "" if it cannot be read.
func (s *sources) word(path string) string {
	text, err := s.attribute(path)
	if err != nil {
		return ""
	}
	return text
}

// failures are the errors of one collection, each of which cost only its own samples.
type failures struct {
	first error
	more  int
}

// add keeps an error unless it says that a device is gone or has no such value. It reports whether there was none.
func (f *failures) add(err error) (ok bool) {
	switch {
	case err == nil:
		return true
	case noValue(err):
	case f.first == nil:
		f.first = err
	default:
		f.more++
	}
	return false
}

func (f *failures) err() error {
	if f.more > 0 {
		return fmt.Errorf("%w, and %d more", f.first, f.more)
	}
	return f.first
}

// noValue reports whether err is a driver's way to say that there is nothing to read. 524 is the kernel's own ENOTSUPP,
// which some drivers let out.
func noValue(err error) bool {
	for _, errno := range []unix.Errno{
		unix.ENOENT, unix.ENODEV, unix.ENXIO, unix.ENODATA, unix.EINVAL, unix.EOPNOTSUPP, unix.Errno(524),
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
