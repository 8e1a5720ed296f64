package host

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxTextfile = 64 << 20        // bytes of one file
	settled     = 2 * time.Second // after which a further change of a file shows in its times, whatever its file system
)

// textSource is a folder with files *.prom, or a pattern of folders.
type textSource struct {
	pattern string
	now     func() time.Time

	under *textReading        // begun last
	known map[string]textfile // by path, used by the reading under way
}

// textReading is what one look at a source has found, once done is closed.
type textReading struct {
	done   awaited
	files  []textfile       // in order
	failed map[string]error // of folders, by path
}

// textfile is a file as it was read.
type textfile struct {
	path     string
	id       fileID
	settled  bool // it cannot have changed since without another id
	mtime    time.Time
	families []*textFamily
	err      error // why it has none
}

// begin starts a reading. It returns nil if an earlier one is still under way.
func (s *textSource) begin() *textReading {
	if s.under != nil {
		select {
		case <-s.under.done:
		default:
			return nil
		}
	}
	r := &textReading{done: make(awaited), failed: make(map[string]error)}
	s.under = r
	go func() {
		defer close(r.done)
		s.read(r)
	}()
	return r
}

func (s *textSource) read(r *textReading) {
	folders, err := filepath.Glob(s.pattern)
	if err != nil || len(folders) == 0 {
		folders = []string{s.pattern} // whose error says what is wrong
	}
	known := make(map[string]textfile, len(s.known))
	for _, folder := range folders {
		names, err := readDir(folder)
		if err != nil {
			r.failed[folder] = err
			continue
		}
		slices.Sort(names)
		for _, name := range names {
			if !strings.HasSuffix(name, ".prom") {
				continue
			}
			path := filepath.Join(folder, name)
			file, ok := s.file(path)
			if !ok {
				continue
			}
			known[path] = file
			r.files = append(r.files, file)
		}
	}
	s.known = known
}

// file reads a file unless it is as it was. It is false for one that was removed in the meantime. A panic is an error of
// the file: nobody else would recover it here, outside the collector's goroutine.
func (s *textSource) file(path string) (file textfile, ok bool) {
	defer func() {
		if v := recover(); v != nil {
			file, ok = textfile{path: path, err: fmt.Errorf("read %s: panic: %v", path, v)}, true
		}
	}()
	file.path = path
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		if os.IsNotExist(unix.Lstat(path, &stat)) {
			return file, false
		}
		file.err = &os.PathError{Op: "stat", Path: path, Err: err}
		return file, true
	}
	if known, ok := s.known[path]; ok && known.settled && known.id == idOf(&stat) {
		return known, true
	}
	started := s.now()
	var b []byte
	if file.err = checkRegular(path, &stat); file.err == nil {
		b, file.err = readRegular(path, &stat)
	}
	if file.err != nil {
		return file, true
	}
	file.id, file.mtime = idOf(&stat), time.Unix(stat.Mtim.Unix())
	file.settled = started.Sub(time.Unix(stat.Ctim.Unix())) > settled
	var err error
	if file.families, err = parseText(b, path); err != nil {
		file.err = fmt.Errorf("parse %s: %w", path, err)
	}
	return file, true
}

// readRegular reads a file of moderate size, and what stat tells about it. Opening waits for nothing: what was a file a
// moment ago may be a pipe without a writer now.
func readRegular(path string, stat *unix.Stat_t) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, stat); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if err := checkRegular(path, stat); err != nil {
		return nil, err
	}
	buf, err := readAll(fd, path, make([]byte, 0, stat.Size+512), maxTextfile)
	if err == nil && len(buf) > maxTextfile {
		err = errTooLarge(path)
	}
	return buf, err
}

func checkRegular(path string, stat *unix.Stat_t) error {
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is not a regular file", path)
	case stat.Size > maxTextfile:
		return errTooLarge(path)
	default:
		return nil
	}
}

func errTooLarge(path string) error {
	return fmt.Errorf("%s has more than %d MiB", path, maxTextfile>>20)
}
