package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestMinInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		next := Result{State: Up}
		c := newCachedProbe(time.Minute)
		c.ask = func(context.Context, ProbeOptions) Result {
			asked++
			time.Sleep(time.Second) // the answer is a second younger than the question
			return next
		}
		get := func(wantState State, wantAge time.Duration, wantAsked int) {
			t.Helper()
			r, age, err := c.get(t.Context(), ProbeOptions{Timeout: 10 * time.Second})
			if err != nil || r.State != wantState || age != wantAge || asked != wantAsked {
				t.Errorf("%s of age %s after %d questions, %v; want %s of age %s after %d", r.State, age, asked, err, wantState, wantAge, wantAsked)
			}
		}
		get(Up, 0, 1)
		time.Sleep(14 * time.Second)
		get(Up, 14*time.Second, 1)
		time.Sleep(44*time.Second + 999*time.Millisecond - time.Second)
		get(Up, 57*time.Second+999*time.Millisecond, 1)
		next = Result{State: Limited, RetryAfter: 3 * time.Minute}
		time.Sleep(time.Millisecond)
		get(Limited, 0, 2)
		time.Sleep(2 * time.Minute)
		get(Limited, 2*time.Minute, 2)
		next = Result{State: Up}
		time.Sleep(time.Minute)
		get(Up, 0, 3)
	})
}

func TestCutProbesAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := newCachedProbe(time.Minute)
		c.ask = func(ctx context.Context, _ ProbeOptions) Result {
			asked++
			start := time.Now()
			<-ctx.Done()
			return Result{State: Down, Err: ctx.Err(), Duration: time.Since(start), cut: true}
		}
		get := func(within time.Duration) (Result, error) {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			r, _, err := c.get(ctx, ProbeOptions{Timeout: 10 * time.Second})
			return r, err
		}
		if r, err := get(time.Second); err != nil || r.State != Down {
			t.Errorf("%s, %v", r.State, err)
		}
		if get(9 * time.Second); asked != 2 {
			t.Error("a probe with too little time was kept")
		}
		if r, err := get(9 * time.Second); err != nil || r.State != Down || asked != 2 {
			t.Errorf("a probe with nearly its time was not kept: %s, %v", r.State, err)
		}

		c.until = time.Time{}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, _, err := c.get(ctx, ProbeOptions{Timeout: 10 * time.Second}); !errors.Is(err, context.Canceled) {
			t.Errorf("a probe that was given up: %v", err)
		}
		if !c.until.IsZero() {
			t.Error("a probe that was given up was kept")
		}
	})
}

func TestWaitingForAProbeEnds(t *testing.T) {
	c := newCachedProbe(time.Minute)
	c.lock <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.get(ctx, ProbeOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
