package host

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

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

// isAbsent reports whether a file is not there, went away with its device or is not for us.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || isGone(err)
}

// isGone reports whether a device vanished under its file.
func isGone(err error) bool { return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) }

// isTemporary reports whether reading failed for the moment only.
func isTemporary(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EBUSY) }

// isMissing reports whether err says that files do not exist, and nothing else.
func isMissing(err error) bool {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return !slices.ContainsFunc(joined.Unwrap(), func(err error) bool { return !isMissing(err) })
	}
	return errors.Is(err, fs.ErrNotExist)
}
