package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

// lookAgain is how long a file or folder that the host lacks is not looked for, and what hardly ever changes is not
// read again.
const lookAgain = time.Minute

// sources is where the areas of one Group find the host. It is used by one goroutine at a time.
type sources struct {
	o       Options
	network network
	round   uint64 // the collection that runs

	kept    []*file
	sockets []*netlink
	buf     []byte // of the kept file read last
	small   []byte // of the other file read last
	absent  map[string]time.Time

	stat  *statSource // of several areas
	cpus  *cpuSource  // of several areas
	links *linkSource // of two areas

	// The kernel's calls and constants, replaced in tests.
	now      func() time.Time
	uname    func() (utsname, error)
	adjtimex func(*unix.Timex) (state int, err error)
	pageSize int64
}

func newSources(o Options) *sources {
	return &sources{
		o: o, network: o.network(), absent: make(map[string]time.Time), now: time.Now, uname: uname, adjtimex: unix.Adjtimex, pageSize: int64(os.Getpagesize()),
	}
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

// keepSmall returns a file of a few bytes that is kept open, such as a sysctl.
func (s *sources) keepSmall(path string) *file {
	f := s.keep(path)
	f.small = true
	return f
}

// sysctl returns a file of /proc/sys that is kept open.
func (s *sources) sysctl(name string) *file {
	return s.keepSmall(filepath.Join(s.o.ProcFS, "sys", name))
}

// content returns what a kept file holds; it is valid until the next content. A file that is not there is not looked
// for again for a minute.
func (s *sources) content(f *file) (b []byte, err error) {
	if err := s.missing(f); err != nil {
		return nil, err
	}
	s.buf, err = f.read(s.buf)
	s.setMissing(f, err)
	return s.buf, err
}

// lines calls yield for each line of a kept file that may be too large to hold; yield must not call content.
func (s *sources) lines(f *file, yield func(line []byte) error) (err error) {
	if err := s.missing(f); err != nil {
		return err
	}
	s.buf, err = f.lines(s.buf, yield)
	s.setMissing(f, err)
	return err
}

func (s *sources) missing(f *file) error {
	if f.missing != nil && !s.recent(f.looked) {
		f.missing = nil
	}
	return f.missing
}

func (s *sources) setMissing(f *file, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		f.missing, f.looked = err, s.now()
	}
}

func (s *sources) recent(then time.Time) bool { return isRecent(then, s.now()) }

// isRecent reports whether less than lookAgain has passed since then.
func isRecent(then, now time.Time) bool { return !now.Before(then) && now.Sub(then) < lookAgain }

// number returns the number that a kept file holds.
func (s *sources) number(f *file) (uint64, error) {
	b, err := s.content(f)
	if err != nil {
		return 0, err
	}
	n, err := parseUint(bytes.TrimSpace(b))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", f.path, err)
	}
	return n, nil
}

// numberFile is a kept file of one number and the family that it is the sample of.
type numberFile struct {
	f      *file
	family *collector.Family
}

// recordNumbers records files of one number each up to the first that cannot be read.
func (s *sources) recordNumbers(w *collector.Writer, numbers ...numberFile) error {
	for _, n := range numbers {
		v, err := s.number(n.f)
		if err != nil {
			return err
		}
		w.Add(n.family, float64(v))
	}
	return nil
}

// read returns what a file holds that is opened for this one reading; it is valid until the next read.
func (s *sources) read(path string) (b []byte, err error) {
	s.small, err = readFile(path, s.small)
	return s.small, err
}

// attribute returns an attribute of sysfs, or another file of up to 4 KiB, without the blanks around it.
func (s *sources) attribute(path string) (string, error) {
	b, err := s.attributeAt(unix.AT_FDCWD, path)
	return string(b), err
}

// attributeAt is attribute without an allocation, for paths below the folder dir too; the bytes are valid until the
// next read.
func (s *sources) attributeAt(dir int, path string) (b []byte, err error) {
	s.small, err = readAttribute(dir, path, s.small)
	return bytes.TrimSpace(s.small), err
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

// dir returns the names in a folder in order. A folder that is not there is not looked for again for a minute: most
// hosts lack most kinds of hardware.
func (s *sources) dir(path string) ([]string, error) {
	if at, ok := s.absent[path]; ok && s.recent(at) {
		return nil, &os.PathError{Op: "open", Path: path, Err: unix.ENOENT}
	}
	names, err := readDir(path)
	if os.IsNotExist(err) {
		s.absent[path] = s.now()
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
