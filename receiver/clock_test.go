package receiver

import (
	"testing"
	"time"
)

// Invariant 9: a step of the wall clock changes no duration and no order.
func TestInvariant9WallClockStepsChangeNothing(t *testing.T) {
	wall := time.Now()
	c := newSystemClock(func() time.Time { return wall })
	for _, step := range []time.Duration{-time.Hour, 24 * time.Hour, -365 * 24 * time.Hour} {
		before := c.Now()
		wall = wall.Add(step)
		if d := c.Now().Sub(before); d < 0 || d > time.Second {
			t.Errorf("a step of the wall clock by %s moved the clock by %s", step, d)
		}
	}
}
