package engine_test

import (
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/store"
)

func TestNothingIsTakenBackOnceRepairsAreStopped(t *testing.T) {
	tests := []struct {
		name string
		stop func(*world)
		want int
	}{
		{"going on", func(*world) {}, 1},
		{"paused by file", func(w *world) { w.stop = "PAUSE" }, 0},
		{"paused by a person", func(w *world) {
			w.update(func(tx *store.Tx) error {
				return tx.Pause(receiver.Pause{Reason: "hands off", By: "alice", At: tx.Now()})
			})
		}, 0},
		{"ceiling lowered", func(w *world) { w.set.Mode = receiver.ModeShadow }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.set.Policies[0].Repair[0].Rollback = true
			w.fix.works = false
			w.post("firing", api("a"))
			w.pass(time.Minute)
			tt.stop(w)
			w.pass(2 * time.Minute)
			w.wantStates(1, receiver.AttemptFailed)
			if w.fix.undone != tt.want {
				t.Errorf("taken back %d times, want %d", w.fix.undone, tt.want)
			}
			w.wantPages("+2m0s oncall/email firing")
		})
	}
}
