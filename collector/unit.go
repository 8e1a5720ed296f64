package collector

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Unit runs one Collector in isolation: in a goroutine of its own, with its own Writer and deadline, never twice at a
// time. Sets may share a Unit, as /metrics and /probe do, and keep it across a reload of the configuration.
type Unit struct {
	name  string
	c     Collector
	parts []Part
	log   *slog.Logger
	as    *ReportFamilies // nil for none

	w       *Writer          // used by the running collection alone
	failing map[string]error // by part, "" for the collector; used by the running collection alone

	mu      sync.Mutex
	running *run
}

// run is one collection and those who wait for it.
type run struct {
	mask     string // the selected parts, one byte each
	start    time.Time
	deadline time.Time
	cancel   context.CancelFunc
	done     chan struct{}
	res      *result // valid once done is closed
	cut      bool    // it was told to come back at its deadline; valid once done is closed

	waiters   int  // guarded by Unit.mu
	abandoned bool // nobody waits any more, guarded by Unit.mu
}

var (
	// errBusy is the answer while a collection from an earlier scrape has not come back.
	errBusy = errors.New("still running from an earlier scrape")

	errGoexit      = errors.New("the collector ended its goroutine")
	errNotReported = errors.New("the collector has not reported on the part")
)

// NewUnit returns a unit for c. The name says in logs which target it reads, e.g. "postgres/main".
func NewUnit(name string, c Collector, log *slog.Logger) *Unit {
	parts := c.Parts()
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.Name
	}
	return &Unit{
		name: name, c: c, parts: parts, log: log.With("collector", name),
		w: newWriter(names), failing: make(map[string]error),
	}
}

// Parts returns the collector's parts.
func (u *Unit) Parts() []Part { return u.parts }

// ReportAs makes scrapes report the unit's parts by these families too, and returns the unit. It is for before the
// first scrape.
func (u *Unit) ReportAs(as *ReportFamilies) *Unit {
	u.as = as
	return u
}

// mask has one byte for each part, '1' if it is selected.
func (u *Unit) mask(selected []string) (mask string, any bool) {
	b := make([]byte, len(u.parts))
	for i, p := range u.parts {
		b[i] = '0'
		if slices.Contains(selected, p.Name) {
			b[i], any = '1', true
		}
	}
	return string(b), any
}

// collect returns what a collection of the selected parts recorded. Scrapes that ask for the same parts while one is
// running share it. It returns errBusy, or the context's error, without a result.
func (u *Unit) collect(ctx context.Context, mask string) (*result, error) {
	for {
		r, use, err := u.join(ctx, mask)
		if err != nil {
			return nil, err
		}
		if use == other { // it has to end first
			select {
			case <-r.done:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		res, err := u.wait(ctx, r)
		if use == shared && err == nil && r.cut && time.Until(collectBy(ctx)) > r.deadline.Sub(r.start) {
			continue // what it lacks for want of time, this scrape has the time for
		}
		return res, err
	}
}

// use is what the running collection is to a scrape.
type use int

const (
	started use = iota // the scrape's own
	shared             // started by another scrape, of the same parts
	other              // of no use
)

// start returns a collection of the scrape's own, nil if there is one already or the scrape is over.
func (u *Unit) start(ctx context.Context, mask string) *run {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.running != nil || ctx.Err() != nil {
		return nil
	}
	return u.launch(ctx, mask)
}

// launch starts a collection; u.mu is held.
func (u *Unit) launch(ctx context.Context, mask string) *run {
	deadline := collectBy(ctx)
	// The collection outlives the scrape that started it if others share it.
	cctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	u.running = &run{mask: mask, start: time.Now(), deadline: deadline, cancel: cancel, done: make(chan struct{}), waiters: 1}
	go u.run(cctx, u.running)
	return u.running
}

// join starts a collection or joins the running one.
func (u *Unit) join(ctx context.Context, mask string) (*run, use, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.running
	switch {
	case r == nil && ctx.Err() != nil:
		return nil, started, ctx.Err()
	case r == nil:
		return u.launch(ctx, mask), started, nil
	case !time.Now().Before(r.deadline):
		return nil, other, errBusy
	case r.mask != mask || r.abandoned:
		return r, other, nil
	default:
		r.waiters++
		return r, shared, nil
	}
}

// wait returns the result of a collection that the scrape has started or joined.
func (u *Unit) wait(ctx context.Context, r *run) (*result, error) {
	select {
	case <-r.done:
		return r.res, nil
	case <-ctx.Done():
	}
	select {
	case <-r.done: // while the scrape waited for another unit
		return r.res, nil
	default:
		u.leave(r, ctx.Err())
		return nil, ctx.Err()
	}
}

// collectBy is when a collector has to come back so that what it has found by then still makes the scrape.
func collectBy(ctx context.Context) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Now().Add(DefaultTimeout)
	}
	left := time.Until(deadline)
	return deadline.Add(-min(left/20, 250*time.Millisecond))
}

// leave cancels the collection once nobody waits for it.
func (u *Unit) leave(r *run, why error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r.waiters--
	if r.waiters > 0 || u.running != r {
		return
	}
	r.abandoned = true
	r.cancel()
	if errors.Is(why, context.DeadlineExceeded) {
		u.log.Warn("Collector did not return before the deadline; its samples are missing until it does")
	}
}

func (u *Unit) run(ctx context.Context, r *run) {
	u.w.begin(r.mask)
	err := errGoexit // which does not come back from guarded
	defer func() {
		r.cut = ctx.Err() != nil
		u.end(r, err)
	}()
	err = u.guarded(ctx)
}

// end hands what was recorded to those who wait, unless nobody does any more.
func (u *Unit) end(r *run, err error) {
	r.cancel()
	if p := (*panicError)(nil); errors.As(err, &p) {
		u.w.rewind(0, 0)
		for i := range u.w.reports {
			u.w.reports[i] = report{duration: u.w.reports[i].duration}
		}
	}
	for i, report := range u.w.reports {
		if selected(r.mask, i) && !report.ran {
			u.w.reports[i].err = cmp.Or(err, errNotReported)
		}
	}
	r.res = u.w.finish()
	r.res.err = err
	u.logFailures(r.res)

	u.mu.Lock()
	u.running = nil
	late := r.abandoned
	u.mu.Unlock()
	close(r.done)
	if late {
		u.log.Info("Collector returned after its scrape had ended; its samples are dropped", "duration", time.Since(r.start))
	}
}

func (u *Unit) guarded(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return u.c.Collect(ctx, u.w)
}
