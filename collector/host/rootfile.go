package host

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// rootFile is a file of the host's root file system that is read again only after it changed.
type rootFile struct {
	s    *sources
	path string // as the host sees it

	real   string    // the path here, links followed
	looked time.Time // when real was found
	id     fileID
	b      []byte
}

// fileID tells whether a file was replaced or written to.
type fileID struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

func statFile(path string) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return fileID{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return idOf(&st), nil
}

func idOf(st *unix.Stat_t) fileID {
	return fileID{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim} //nolint:unconvert // Dev has 32 bits on some architectures
}

func (s *sources) rootFile(path string) *rootFile { return &rootFile{s: s, path: path} }

// read returns what the file holds, and whether that may have changed since the last call.
func (f *rootFile) read() (b []byte, changed bool, err error) {
	if f.real == "" || !f.s.recent(f.looked) {
		f.looked = f.s.now()
		if f.real, err = inRoot(f.s.o.RootFS, f.path); err != nil {
			return nil, true, err
		}
	}
	id, err := statFile(f.real)
	if err != nil {
		f.id, f.real = fileID{}, ""
		return nil, true, err
	}
	if id == f.id {
		return f.b, false, nil
	}
	if f.b, err = readFile(f.real, f.b); err != nil {
		id = fileID{} // to be read again
	}
	f.id = id
	return f.b, true, err
}

const maxLinks = 40 // as in the kernel

// inRoot returns the path of a file below root, with symbolic links followed as from within: those of the host's files
// may be absolute.
func inRoot(root, name string) (string, error) {
	root = filepath.Clean(root)
	if root == "/" {
		return name, nil
	}
	at, rest, links := "/", name, 0
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		next := path.Join(at, part) // never above "/"
		target, err := os.Readlink(root + next)
		switch {
		case err == nil:
			if links++; links > maxLinks {
				return "", &os.PathError{Op: "open", Path: root + name, Err: unix.ELOOP}
			}
			rest = target + "/" + rest
			if path.IsAbs(target) {
				at = "/"
			}
		case errors.Is(err, unix.EINVAL): // no link
			at = next
		default:
			return "", err
		}
	}
	return root + at, nil
}
