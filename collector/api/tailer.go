package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"
)

const (
	pollEvery   = time.Second
	saveEvery   = time.Minute // at least, so that the state's age tells how long nobody was reading
	oldGrace    = time.Minute // how long a rotated file must be quiet before it is closed: its writer may not have reopened yet
	maxOld      = 4
	maxMarks    = 16
	maxBacklog  = 5 * time.Minute
	maxSiblings = 4096
	drainLimit  = 16 << 20 // bytes read at one go
)

// tailer follows a log by name through rotation by renaming, copying and truncating, recreating and switching of a symbolic link.
//
// It polls: one stat and one read a second. Without a state it starts at the end of a file that is there and at the
// beginning of one that appears later. With a state it goes on where it stopped, in the rotated file first; if it did
// not read for more than 5 minutes it starts at the end again, because a counter cannot date what it counts: an old
// outage would look like one of this minute. Lines that are written between the copy and the truncation of copytruncate are lost,
// and after a crash the lines of at most one second are counted twice.
type tailer struct {
	path  string
	state string // file; empty keeps no state
	line  func(line []byte, whole bool)
	log   *slog.Logger
	now   func() time.Time

	lock    chan struct{} // a mutex that can be waited for with a deadline
	started bool
	cur     *follower
	old     []*follower
	marks   []mark // of files that were closed, newest last
	failed  string // the error that was logged last
	saved   time.Time
	written string // what was saved
	skipped int64  // bytes passed over because the state was too old
	buf     []byte
}

// line is called with each line, without its newline; whole is false for the beginning of one that is too long.
func newTailer(path, state string, log *slog.Logger, line func(line []byte, whole bool)) *tailer {
	return &tailer{
		path: path, state: state, line: line, log: log, now: time.Now,
		lock: make(chan struct{}, 1), buf: make([]byte, 64<<10),
	}
}

// Run polls until ctx is done, and then keeps the position.
func (t *tailer) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		more, err := t.drain(ctx)
		if ctx.Err() != nil {
			return t.stop()
		}
		t.report(err)
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return t.stop()
		case <-ticker.C:
		}
	}
}

func (t *tailer) report(err error) {
	t.lock <- struct{}{}
	defer t.unlock()
	var text string
	if err != nil {
		text = err.Error()
	}
	if text == t.failed {
		return
	}
	t.failed = text
	if err != nil {
		t.log.Warn("Following the access log fails", "path", t.path, "err", err)
		return
	}
	t.log.Info("Following the access log works again", "path", t.path)
}

func (t *tailer) stop() error {
	t.lock <- struct{}{}
	defer t.unlock()
	if !t.started {
		return nil
	}
	err := t.save()
	t.closeAll()
	return err
}

// closeAll lets a later drain go on from the marks.
func (t *tailer) closeAll() {
	if t.cur != nil {
		t.retire(t.cur)
		t.cur = nil
	}
	for _, fo := range t.old {
		t.retire(fo)
	}
	t.old = nil
}

func (t *tailer) retire(fo *follower) {
	fo.close(nil)
	t.remember(fo.mark)
}

func (t *tailer) unlock() { <-t.lock }

// drain reads what was written since; more tells that there was too much for one go.
func (t *tailer) drain(ctx context.Context) (more bool, err error) {
	err = t.sync(ctx, func(m bool, err error) error { more = m; return err })
	return more, err
}

// sync drains, and calls fn before anything more is read.
func (t *tailer) sync(ctx context.Context, fn func(more bool, err error) error) error {
	select {
	case t.lock <- struct{}{}:
		defer t.unlock()
	case <-ctx.Done():
		return fmt.Errorf("wait for access log: %w", context.Cause(ctx))
	}
	return fn(t.advance(ctx))
}

func (t *tailer) advance(ctx context.Context) (more bool, err error) {
	if !t.started {
		if err := t.start(); err != nil {
			return false, err
		}
		t.started = true
	}
	more, err = t.poll(ctx)
	if !more {
		t.sweep()
	}
	return more, errors.Join(err, t.saveIfDue())
}

func (t *tailer) poll(ctx context.Context) (more bool, err error) {
	now := t.now()
	t.old = slices.DeleteFunc(t.old, func(fo *follower) bool {
		m, rerr := fo.read(ctx, t.buf, drainLimit, now, t.line)
		more = more || m
		if rerr != nil {
			err = errors.Join(err, fmt.Errorf("read rotated access log: %w", rerr))
			t.retire(fo)
		}
		return rerr != nil
	})
	m, rerr := t.readCurrent(ctx)
	more, err = more || m, errors.Join(err, rerr)
	if more || err != nil {
		return more, err
	}
	switched, err := t.follow()
	if err != nil || !switched {
		return false, err
	}
	return t.readCurrent(ctx)
}

// readCurrent gives up a file that cannot be read: it is opened anew where it was left.
func (t *tailer) readCurrent(ctx context.Context) (more bool, err error) {
	if t.cur == nil {
		return false, nil
	}
	more, err = t.cur.read(ctx, t.buf, drainLimit, t.now(), t.line)
	if err != nil {
		t.retire(t.cur)
		t.cur = nil
		return false, fmt.Errorf("read access log: %w", err)
	}
	return more, nil
}

// follow looks which file has the name now, and turns to it.
func (t *tailer) follow() (switched bool, err error) {
	fi, err := os.Stat(t.path)
	if err != nil {
		if t.cur == nil {
			return false, fmt.Errorf("find access log: %w", withHint(err))
		}
		if errors.Is(err, os.ErrNotExist) && t.now().Sub(t.cur.grown) > oldGrace {
			t.old, t.cur = append(t.old, t.cur), nil // nobody writes there any more: do not keep its space from being freed
		}
		return false, nil
	}
	device, inode := fileID(fi)
	if t.cur != nil && t.cur.mark.Device == device && t.cur.mark.Inode == inode {
		return false, nil
	}
	next, err := t.open(t.path)
	if err != nil {
		return false, err
	}
	if t.cur != nil {
		t.cur.grown = t.now()
		t.old = append(t.old, t.cur)
	}
	t.cur = next
	return true, nil
}

// open opens a file where it was left, or at its beginning if it is a new one. A file still followed is handed over.
func (t *tailer) open(path string) (*follower, error) {
	fo, err := openFollower(path)
	if err != nil {
		return nil, err
	}
	fo.grown = t.now()
	for i, old := range t.old {
		if old.mark.Device == fo.mark.Device && old.mark.Inode == fo.mark.Inode {
			t.old = slices.Delete(t.old, i, i+1)
			fo.f.Close()
			return old, nil
		}
	}
	fo.seek(0)
	for i, m := range t.marks {
		if fo.knows(m) {
			fo.seek(m.Offset)
			t.marks = slices.Delete(t.marks, i, i+1)
			break
		}
	}
	return fo, nil
}

// sweep closes rotated files that nobody writes to any more.
func (t *tailer) sweep() {
	for i := 0; i < len(t.old); {
		fo := t.old[i]
		if t.now().Sub(fo.grown) <= oldGrace && len(t.old) <= maxOld {
			i++
			continue
		}
		fo.close(t.line)
		t.remember(fo.mark)
		t.old = slices.Delete(t.old, i, i+1)
	}
}

func (t *tailer) remember(m mark) {
	m.Live = false
	t.marks = append(t.marks, m)
	if n := len(t.marks) - maxMarks; n > 0 {
		t.marks = slices.Delete(t.marks, 0, n)
	}
}

// lag returns the bytes that are written but not yet read.
func (t *tailer) lag() int64 {
	var lag int64
	for _, fo := range append(slices.Clone(t.old), t.cur) {
		if fo == nil {
			continue
		}
		if size, err := fo.size(); err == nil {
			lag += max(0, size-fo.pos)
		}
	}
	return lag
}
