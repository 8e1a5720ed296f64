package host

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lookAgain is how long a file or folder that the host lacks is not looked for.
const lookAgain = time.Minute

// sources is where the areas of one Group find the host. It is used by one goroutine at a time.
type sources struct {
	o     Options
	round uint64 // the collection that runs

	kept    []*file
	sockets []*netlink
	buf     []byte // of the kept file read last
	small   []byte // of the other file read last
	absent  map[string]time.Time

	stat  *statSource // of two areas
	links *linkSource // of two areas

	// The kernel's calls and constants, replaced in tests.
	now      func() time.Time
	uname    func() (utsname, error)
	pageSize int64
}

func newSources(o Options) *sources {
	return &sources{o: o, absent: make(map[string]time.Time), now: time.Now, uname: uname, pageSize: int64(os.Getpagesize())}
}

// proc returns a file of procfs that is kept open between collections; it is opened when first read.
func (s *sources) proc(name string) *file {
	return s.keep(filepath.Join(s.o.ProcFS, name))
}

// procNet returns a file of /proc/net of the host's network namespace.
func (s *sources) procNet(name string) *file {
	return s.keep(filepath.Join(s.o.ProcFS, s.o.netDir(), name))
}

func (s *sources) keep(path string) *file {
	f := &file{path: path}
	s.kept = append(s.kept, f)
	return f
}

// content returns what a kept file holds; it is valid until the next content.
func (s *sources) content(f *file) (b []byte, err error) {
	s.buf, err = f.read(s.buf)
	return s.buf, err
}

// lines calls yield for each line of a kept file that may be too large to hold; yield must not call content.
func (s *sources) lines(f *file, yield func(line []byte) error) (err error) {
	s.buf, err = f.lines(s.buf, yield)
	return err
}

// read returns what a file holds that is opened for this one reading; it is valid until the next read.
func (s *sources) read(path string) (b []byte, err error) {
	s.small, err = readFile(path, s.small)
	return s.small, err
}

// attribute returns an attribute of sysfs, or another file of up to 4 KiB, without the blanks around it.
func (s *sources) attribute(path string) (string, error) {
	b, err := s.attributeBytes(path)
	return string(b), err
}

// attributeBytes is attribute without an allocation; the bytes are valid until the next read.
func (s *sources) attributeBytes(path string) (b []byte, err error) {
	s.small, err = readAttribute(path, s.small)
	return bytes.TrimSpace(s.small), err
}

// dir returns the names in a folder in order. A folder that is not there is not looked for again for a minute: most
// hosts lack most kinds of hardware.
func (s *sources) dir(path string) ([]string, error) {
	now := s.now()
	if at, ok := s.absent[path]; ok && now.Sub(at) < lookAgain && !now.Before(at) {
		return nil, &os.PathError{Op: "open", Path: path, Err: unix.ENOENT}
	}
	names, err := readDir(path)
	if os.IsNotExist(err) {
		s.absent[path] = now
	} else {
		delete(s.absent, path)
	}
	slices.Sort(names)
	return names, err
}

// sysPath returns a path below sysfs.
func (s *sources) sysPath(elem ...string) string {
	return s.o.SysFS + "/" + strings.Join(elem, "/")
}
