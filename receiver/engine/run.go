package engine

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	repairWorkers = 4
	pageWorkers   = 4
	longestSleep  = 15 * time.Second // the workers look at least this often, whatever the rows say
	errorPause    = time.Second
)

// Run works until ctx ends. Steps that have begun are finished; effects get their own timeout to do so.
func (e *Engine) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for lane, workers := range map[Lane]int{LaneRepair: repairWorkers, LaneUrgent: 1, LanePage: pageWorkers} {
		for range workers {
			g.Go(func() error { e.work(ctx, lane); return nil })
		}
	}
	g.Go(func() error { e.audit(ctx); return nil })
	return g.Wait()
}

func (e *Engine) work(ctx context.Context, lane Lane) {
	for ctx.Err() == nil {
		rung := e.wake.wait()
		// A step that has begun must not be torn by the shutdown: its outcome has to be committed.
		worked, err := e.Step(context.WithoutCancel(ctx), lane)
		switch {
		case err != nil:
			e.o.Logger.Error("Step failed", "lane", lane, "err", err)
			sleep(ctx, errorPause, nil)
		case !worked:
			sleep(ctx, e.untilDue(ctx, lane), rung)
		}
	}
}

// untilDue is how long a lane may sleep.
func (e *Engine) untilDue(ctx context.Context, lane Lane) time.Duration {
	var due time.Time
	err := e.o.Store.View(ctx, func(tx Tx) (err error) {
		if lane == LanePage {
			due, err = tx.NextPage()
		} else {
			due, err = tx.NextRepair()
		}
		return err
	})
	if err != nil {
		return errorPause
	}
	if due.IsZero() {
		return longestSleep
	}
	shortest := 10 * time.Millisecond
	if lane == LaneUrgent {
		shortest = time.Second // what is due may be for the other lane's workers; news ring the bell
	}
	return min(longestSleep, max(due.Sub(e.o.Clock.Now()), shortest))
}

func sleep(ctx context.Context, d time.Duration, rung <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-rung:
	case <-timer.C:
	}
}

// bell wakes every waiter at once.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

func newBell() *bell { return &bell{ch: make(chan struct{})} }

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}
