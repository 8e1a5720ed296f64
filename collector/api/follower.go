package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

const (
	maxLine   = 64 << 10 // bytes of one log line; the rest of a longer one is dropped
	headBytes = 256      // of a file, that tell it from another one with its inode
)

// mark is how far a file was read. It names the file by device, inode and the hash of its first bytes, so that neither
// a reused inode nor a truncated file that grew again is taken for the file that was read.
type mark struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"` // bytes, up to the end of the last whole line
	Head   string `json:"head"`   // SHA-256 of the first HeadBytes bytes, in hexadecimal
	HeadN  int64  `json:"head_bytes"`
	Live   bool   `json:"live"` // still open when it was written down
}

// follower reads the lines of one open file.
type follower struct {
	f       *os.File
	mark    mark
	pos     int64  // of the next byte to read
	partial []byte // bytes from mark.Offset to pos: a line without its end
	skip    bool   // drop everything up to the next newline
	grown   time.Time
}

// openFollower opens a regular file at its beginning. It never blocks on a pipe.
func openFollower(path string) (*follower, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open access log: %w", withHint(err))
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file: log to a file, a container image may link it to its output", path)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open access log: %w", err)
	}
	device, inode := fileID(fi)
	return &follower{f: f, mark: mark{Device: device, Inode: inode, Live: true}}, nil
}

func withHint(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: let the service's user read it, e.g. through group adm", err)
	}
	return err
}

func fileID(fi os.FileInfo) (device, inode uint64) {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), st.Ino //nolint:unconvert // Dev is narrower elsewhere
	}
	return 0, 0
}

func (fo *follower) size() (int64, error) {
	fi, err := fo.f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

// knows says whether m was made from this very file and the file still has what m covers.
func (fo *follower) knows(m mark) bool {
	if m.Device != fo.mark.Device || m.Inode != fo.mark.Inode || m.Offset < 0 || m.HeadN < 0 || m.HeadN > headBytes {
		return false
	}
	size, err := fo.size()
	if err != nil || size < m.Offset {
		return false
	}
	head, err := fo.head(m.HeadN)
	return err == nil && head == m.Head
}

func (fo *follower) head(n int64) (string, error) {
	b := make([]byte, n)
	if _, err := fo.f.ReadAt(b, 0); err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// seek goes on at offset, or after the line that offset lies within.
func (fo *follower) seek(offset int64) {
	fo.pos, fo.mark.Offset, fo.partial, fo.skip = offset, offset, nil, false
	if offset > 0 {
		var last [1]byte
		_, err := fo.f.ReadAt(last[:], offset-1)
		fo.skip = err != nil || last[0] != '\n'
	}
	fo.note()
}

// note brings the file's identity up to what was read.
func (fo *follower) note() {
	n := min(fo.mark.Offset, headBytes)
	if n == fo.mark.HeadN && fo.mark.Head != "" {
		return
	}
	if head, err := fo.head(n); err == nil {
		fo.mark.Head, fo.mark.HeadN = head, n
	}
}

// truncated says whether the file was cut or written anew since it was last read.
func (fo *follower) truncated(size int64) bool {
	if size < fo.pos {
		return true
	}
	if fo.mark.HeadN == 0 || size == fo.pos {
		return false
	}
	head, err := fo.head(fo.mark.HeadN)
	return err == nil && head != fo.mark.Head
}

// read hands on whole lines until the file's end, or until limit bytes were read, or ctx is done. more tells that it did not reach the end.
func (fo *follower) read(ctx context.Context, buf []byte, limit int64, now time.Time, emit func(line []byte, whole bool)) (more bool, err error) {
	size, err := fo.size()
	if err != nil {
		return false, err
	}
	if fo.truncated(size) {
		fo.mark.HeadN, fo.mark.Head = 0, ""
		fo.seek(0)
	}
	defer fo.note()
	for n := int64(0); ; {
		if n >= limit || ctx.Err() != nil {
			return true, nil
		}
		k, err := fo.f.ReadAt(buf, fo.pos)
		if k > 0 {
			fo.grown = now
			fo.take(buf[:k], emit)
			n += int64(k)
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// take splits a chunk that was read at pos.
func (fo *follower) take(chunk []byte, emit func(line []byte, whole bool)) {
	for len(chunk) > 0 {
		i := bytes.IndexByte(chunk, '\n')
		if i < 0 {
			fo.pos += int64(len(chunk))
			if fo.skip {
				return
			}
			if len(fo.partial)+len(chunk) > maxLine {
				emit(append(fo.partial, chunk...)[:maxLine], false)
				fo.partial, fo.skip = nil, true
				return
			}
			fo.partial = append(fo.partial, chunk...)
			return
		}
		line := chunk[:i]
		chunk = chunk[i+1:]
		fo.pos += int64(i) + 1
		fo.mark.Offset = fo.pos
		if fo.skip {
			fo.skip = false
			continue
		}
		if len(fo.partial) > 0 {
			fo.partial = append(fo.partial, line...)
			line = fo.partial
		}
		emit(line[:min(len(line), maxLine)], len(line) <= maxLine)
		fo.partial = fo.partial[:0]
	}
}

// close hands on what is left without a newline, as nothing will follow it.
func (fo *follower) close(emit func(line []byte, whole bool)) {
	if len(fo.partial) > 0 && emit != nil {
		emit(fo.partial, true)
		fo.mark.Offset = fo.pos
		fo.partial = nil
	}
	fo.mark.Live = false
	fo.f.Close()
}
