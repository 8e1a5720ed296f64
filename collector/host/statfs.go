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

	answered map[string]bool // mount points that did in the last scrape

	mu    sync.Mutex
	calls map[string]*statCall // under way, by mount point
}

// statCall is one call of statfs(2).
type statCall struct {
	done chan struct{}
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
func (a *asker) ask(ctx context.Context, points []string) map[string]*statCall {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	full := a.stuck() >= stuckAtMost
	calls := make([]*statCall, len(points))
	asked := make([]bool, len(points))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(statWorkers, len(points)) {
		wg.Go(func() {
			patience := time.NewTimer(statPatience)
			defer patience.Stop()
			for i := range next {
				if ctx.Err() != nil {
					continue
				}
				calls[i], asked[i] = a.begin(points[i], full && !a.answered[points[i]])
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
	for i := range points {
		next <- i
	}
	close(next)
	wg.Wait()

	answers := make(map[string]*statCall, len(points))
	a.answered = make(map[string]bool, len(points))
	for i, point := range points {
		if !asked[i] {
			continue
		}
		answers[point] = nil
		if calls[i] != nil && calls[i].wait(ctx) {
			answers[point], a.answered[point] = calls[i], true
		} else if calls[i] != nil {
			a.log.Warn("Mount point does not answer; it is not asked again until it does", "mountpoint", point)
		}
	}
	return answers
}

// wait reports whether the call came back before ctx ended.
func (c *statCall) wait(ctx context.Context) bool {
	select {
	case <-c.done:
		return true
	default:
	}
	select {
	case <-c.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// stuck is how many calls are under way.
func (a *asker) stuck() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.calls)
}

// begin starts a call. It returns nil if one is still under way for that mount point, and false if there is none and
// none may be started.
func (a *asker) begin(point string, refuse bool) (*statCall, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls[point] != nil {
		return nil, true
	}
	if refuse {
		return nil, false
	}
	call := &statCall{done: make(chan struct{})}
	a.calls[point] = call
	go func() {
		call.err = a.statfs(filepath.Join(a.root, point), &call.stat)
		a.mu.Lock()
		delete(a.calls, point)
		a.mu.Unlock()
		close(call.done)
	}()
	return call, true
}
