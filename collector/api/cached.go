package api

import (
	"context"
	"errors"
	"time"
)

// cachedProbe asks no more often than every, and later still if the target asks for it.
type cachedProbe struct {
	every time.Duration
	ask   func(ctx context.Context, opt ProbeOptions) Result
	now   func() time.Time

	lock  chan struct{} // a mutex that can be waited for with a deadline
	last  Result
	ended time.Time // zero before the first result
	until time.Time
}

func newCachedProbe(every time.Duration) *cachedProbe {
	return &cachedProbe{every: every, ask: Probe, now: time.Now, lock: make(chan struct{}, 1)}
}

// get returns a result and its age. A probe that the caller gave up is no result, and one whose deadline left it less than half of
// its time is shown to its caller only: neither says anything about the target.
func (c *cachedProbe) get(ctx context.Context, opt ProbeOptions) (Result, time.Duration, error) {
	select {
	case c.lock <- struct{}{}:
		defer func() { <-c.lock }()
	case <-ctx.Done():
		return Result{}, 0, context.Cause(ctx)
	}
	start := c.now()
	if !c.ended.IsZero() && start.Before(c.until) {
		return c.last, start.Sub(c.ended), nil
	}
	res := c.ask(ctx, opt)
	if errors.Is(ctx.Err(), context.Canceled) {
		return Result{}, 0, context.Cause(ctx)
	}
	if res.cut && !res.OK() && res.Duration < opt.Timeout/2 {
		return res, 0, nil
	}
	c.last, c.ended = res, c.now()
	// Scrapes do not come to the millisecond: a little slack keeps one that is on time from being put off by a whole interval.
	wait := max(c.every-min(time.Second, c.every/10), res.RetryAfter)
	c.until = start.Add(wait)
	return res, 0, nil
}
