package receiver

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// SystemClock starts at the wall clock's time and then follows CLOCK_BOOTTIME: steps of the wall clock change nothing, and
// time asleep counts.
type SystemClock struct {
	mu    sync.Mutex
	start time.Time     // wall clock at the start
	boot  time.Duration // CLOCK_BOOTTIME at the start
}

// NewSystemClock starts a clock.
func NewSystemClock() *SystemClock { return newSystemClock(time.Now) }

func newSystemClock(wall func() time.Time) *SystemClock {
	return &SystemClock{start: wall().Round(0).UTC(), boot: sinceBoot()}
}

// Now implements Clock.
func (c *SystemClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *SystemClock) now() time.Time { return c.start.Add(sinceBoot() - c.boot) }

// AtLeast moves the clock forward to t if it is behind, so that it never tells a time before one that was stored.
func (c *SystemClock) AtLeast(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if behind := t.Sub(c.now()); behind > 0 {
		c.start = c.start.Add(behind)
	}
}

func sinceBoot() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		// Only a kernel before 2.6.39 lacks this clock.
		panic("read CLOCK_BOOTTIME: " + err.Error())
	}
	return time.Duration(ts.Nano())
}
