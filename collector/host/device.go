package host

import (
	"fmt"
	"maps"
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
