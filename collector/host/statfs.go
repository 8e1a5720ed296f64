package host

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	statWorkers  = 4                      // statfs calls begun at the same time
	statPatience = 100 * time.Millisecond // before a worker leaves a slow mount point to itself and takes the next

	// stuckAtMost is how many calls may be left over from earlier scrapes before only those mount points are asked that
	// answered last time: each such call holds a thread, of which there are not any number.
	stuckAtMost = 100
)

// asker asks mount points for their size. One that does not answer is not asked again before its last call has come back.
type asker struct {
	root    string        // where the host's root is mounted
	timeout time.Duration // for all mount points together
	log     *slog.Logger
	statfs  func(path string, buf *unix.Statfs_t) error

	answered map[place]bool // in the last scrape

	mu    sync.Mutex
	calls map[place]*statCall // under way
}

// place is a mount point and what is mounted there: after a dead server's, that may be another file system.
type place struct{ point, major, minor string }

// statCall is one call of statfs(2).
type statCall struct {
	done awaited
	stat unix.Statfs_t // valid once done is closed
	err  error
}

func statfs(path string, buf *unix.Statfs_t) error {
	for {
		if err := unix.Statfs(path, buf); err != unix.EINTR {
			return err
		}
	}
}

// ask returns for each mount point what it answered, nil if nothing in time. Mount points that there was no time to
// ask are missing.
func (a *asker) ask(ctx context.Context, places []place) map[string]*statCall {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	full := a.stuck() >= stuckAtMost
	calls := make([]*statCall, len(places))
	asked := make([]bool, len(places))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(statWorkers, len(places)) {
		wg.Go(func() {
			patience := time.NewTimer(statPatience)
			defer patience.Stop()
			for i := range next {
				if ctx.Err() != nil {
					continue
				}
				calls[i], asked[i] = a.begin(places[i], full && !a.answered[places[i]])
				if calls[i] == nil {
					continue
				}
				patience.Reset(statPatience)
				select {
				case <-calls[i].done:
				case <-patience.C:
				case <-ctx.Done():
				}
			}
		})
	}
	for i := range places {
		next <- i
	}
	close(next)
	wg.Wait()

	answers := make(map[string]*statCall, len(places))
	a.answered = make(map[place]bool, len(places))
	for i, p := range places {
		if !asked[i] {
			continue
		}
		answers[p.point] = nil
		if calls[i] != nil && calls[i].done.before(ctx) {
			answers[p.point], a.answered[p] = calls[i], true
		} else if calls[i] != nil {
			a.log.Warn("Mount point does not answer; it is not asked again until it does", "mountpoint", p.point)
		}
	}
	return answers
}

// stuck is how many calls are under way.
func (a *asker) stuck() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.calls)
}

// begin starts a call. It returns nil if one is still under way for that place, and false if there is none and
// none may be started.
func (a *asker) begin(p place, refuse bool) (*statCall, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls[p] != nil {
		return nil, true
	}
	if refuse {
		return nil, false
	}
	call := &statCall{done: make(awaited)}
	a.calls[p] = call
	go func() {
		call.err = a.statfs(filepath.Join(a.root, p.point), &call.stat)
		a.mu.Lock()
		delete(a.calls, p)
		a.mu.Unlock()
		close(call.done)
	}()
	return call, true
}
