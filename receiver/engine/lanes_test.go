package engine_test

import (
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/engine"
	"github.com/chronoops/chronoops/receiver/policy"
)

// Hung repairs of lesser priority hold the repair lane's workers; a P0 has a lane of its own.
func TestUrgentLaneTakesP0Only(t *testing.T) {
	w := newWorld(t)
	w.post("firing", api("lesser")) // P1
	step := func() bool {
		worked, err := w.engine.Step(t.Context(), engine.LaneUrgent)
		if err != nil {
			t.Fatal(err)
		}
		return worked
	}
	if step() {
		t.Fatal("the urgent lane took a P1")
	}
	w.priority(receiver.P0)
	w.post("firing", api("lesser"), api("urgent"))
	if !step() || w.fix.effects != 1 {
		t.Errorf("the urgent lane left a P0 alone, effects %d", w.fix.effects)
	}
}

// An incident that opened before anybody could be paged is paged once a reload has brought people.
func TestEmptyLadderIsFilledByAReload(t *testing.T) {
	w := newWorld(t)
	ladders := w.set.Ladders
	w.set.Ladders = policy.Ladders{}
	w.post("firing", disk("a"))
	w.pass(5 * time.Minute)
	w.wantPages()
	w.set.Ladders = ladders
	w.pass(2 * time.Minute)
	w.wantPages("+6m0s oncall/email firing")
}

// A repair that waits for its cooldown stands once in the timeline, however often it is looked at.
func TestWaitingForTheCooldownIsSaidOnce(t *testing.T) {
	w := newWorld(t)
	w.post("firing", api("a"))
	w.pass(time.Minute)
	w.post("resolved", api("a"))
	w.pass(time.Second)
	w.post("firing", api("a"))
	w.pass(5 * time.Minute)
	if n := countOf(w.timeline(1), "guard"); n != 1 {
		t.Errorf("the refusal stands %d times in the timeline, want once", n)
	}
}
