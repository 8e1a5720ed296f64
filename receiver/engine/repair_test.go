package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/guard"
	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/policy"
)

func states(list []receiver.Attempt) (s []receiver.AttemptState) {
	for _, a := range list {
		s = append(s, a.State)
	}
	return s
}

func (w *world) wantStates(id int64, want ...receiver.AttemptState) {
	w.t.Helper()
	if diff := cmp.Diff(want, states(w.attempts(id))); diff != "" {
		w.t.Errorf("attempts of incident %d (-want +got):\n%s", id, diff)
	}
}

func (w *world) wantPages(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.pager.log()); diff != "" {
		w.t.Errorf("pages (-want +got):\n%s", diff)
	}
}

func TestRepairVerifiedBeforeAnybodyIsPaged(t *testing.T) {
	w := newWorld(t)
	w.post("firing", api("a"))
	w.pass(10 * time.Minute)
	w.wantStates(1, receiver.AttemptVerified)
	w.wantPages()
	if w.fix.effects != 1 {
		t.Errorf("effects = %d, want 1", w.fix.effects)
	}
	i := w.incident(1)
	if i.Open() || i.ResolvedBy != "repair" {
		t.Errorf("incident open %v, resolved by %q, want resolved by repair", i.Open(), i.ResolvedBy)
	}
	want := []string{"opened", "alert", "started", "applied", "escalate", "verified", "resolved", "resolved"}
	if diff := cmp.Diff(want, w.timeline(1)); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

func TestVerificationFailsThenNextStepThenPage(t *testing.T) {
	w := newWorld(t)
	w.addStep("fake.next")
	w.fix.works, w.next.works = false, false
	w.fix.onApply, w.next.onApply = nil, nil
	w.set.Policies[0].Repair[0].Rollback = true
	w.post("firing", api("a"))
	w.pass(20 * time.Minute)
	w.wantStates(1, receiver.AttemptFailed, receiver.AttemptFailed)
	if w.fix.effects != 1 || w.fix.undone != 1 || w.next.effects != 1 {
		t.Errorf("effects %d, undone %d, next %d, want 1 each", w.fix.effects, w.fix.undone, w.next.effects)
	}
	// Two failed verifications of two minutes each end before the hold does; the second failure pages.
	w.wantPages("+4m0s oncall/email firing", "+19m0s lead/slack firing")
}

func TestShadowNeverActsAndPagesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.set.Policies[0].Mode = receiver.ModeShadow
	w.post("firing", api("a"))
	w.pass(time.Minute)
	w.wantStates(1, receiver.AttemptShadowed)
	w.wantPages("+0s oncall/email firing")
	if w.fix.effects != 0 {
		t.Errorf("effects = %d in shadow", w.fix.effects)
	}
	if a := w.attempts(1)[0]; a.Plan == nil || a.Reason != "would fix the fake" {
		t.Errorf("plan %v, reason %q", a.Plan, a.Reason)
	}
}

func TestApprovalBindsThePlan(t *testing.T) {
	w := newWorld(t)
	w.set.Policies[0].Mode = receiver.ModeApprove
	w.post("firing", api("a"))
	w.pass(time.Minute)
	w.wantStates(1, receiver.AttemptProposed)
	w.wantPages("+0s oncall/email firing")
	a := w.attempts(1)[0]
	approve := func(hash string) {
		w.update(func(tx *storeTx) error {
			a, err := tx.Attempt(a.ID)
			if err != nil {
				return err
			}
			a.State, a.Approval, a.Approved, a.Due = receiver.AttemptWaiting, hash, "alice", tx.Now()
			return tx.SaveAttempt(a)
		})
		w.pass(time.Minute)
	}
	approve("another plan")
	w.wantStates(1, receiver.AttemptProposed)
	if w.fix.effects != 0 {
		t.Fatal("acted on a plan that nobody has approved")
	}
	approve(a.Plan.Hash())
	w.wantStates(1, receiver.AttemptVerified)
}

func TestApprovalExpires(t *testing.T) {
	w := newWorld(t)
	w.set.Policies[0].Mode = receiver.ModeApprove
	w.post("firing", api("a"))
	w.pass(61 * time.Minute)
	w.wantStates(1, receiver.AttemptRefused)
}

// Invariant 1: effects on one resource never overlap, and one attempt has one effect.
func TestInvariant1EffectsOnOneResourceNeverOverlap(t *testing.T) {
	w := newWorld(t)
	w.fix.onApply = nil // the alerts go on
	w.post("firing", api("a"))
	w.post("firing", api("a"), api("b"))
	w.pass(30 * time.Second)
	w.wantStates(1, receiver.AttemptApplied, receiver.AttemptBlocked)
	if a := w.attempts(1)[1]; a.Guard != "lock" {
		t.Errorf("second attempt refused by %q, want lock", a.Guard)
	}
	if w.fix.effects != 1 {
		t.Errorf("effects = %d, want 1", w.fix.effects)
	}
	w.am.clear()
	w.pass(2 * time.Minute)
	w.wantStates(1, receiver.AttemptVerified, receiver.AttemptBlocked)
	if a := w.attempts(1)[1]; a.Guard != "cooldown" {
		t.Errorf("second attempt refused by %q, want cooldown", a.Guard)
	}
}

// Invariant 6: an error or an unknown in a guard means no effect, and a page.
func TestInvariant6UnreachableAlertmanagerRefusesAndPages(t *testing.T) {
	w := newWorld(t)
	w.post("firing", api("a"))
	w.am.err = errors.New("connection refused")
	w.pass(time.Minute)
	w.wantStates(1, receiver.AttemptBlocked)
	w.wantPages("+0s oncall/email firing")
	if w.fix.effects != 0 {
		t.Errorf("effects = %d", w.fix.effects)
	}
	w.am.err = nil
	w.pass(time.Minute)
	w.wantStates(1, receiver.AttemptVerified)
}

func TestGuardsRefuseAndPage(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(*world)
		guard   string
		state   receiver.AttemptState
	}{
		{"paused by a person", func(w *world) {
			w.update(func(tx *storeTx) error { return tx.Pause(receiver.Pause{Reason: "deploy", By: "alice", At: tx.Now()}) })
		}, "pause", receiver.AttemptBlocked},
		{"paused by file", func(w *world) { w.stop = "/var/lib/chronoops/PAUSE" }, "pause", receiver.AttemptBlocked},
		{"another resource paused", func(w *world) {
			w.update(func(tx *storeTx) error {
				return tx.Pause(receiver.Pause{Resource: "fake/other", Reason: "deploy", By: "alice", At: tx.Now()})
			})
		}, "", receiver.AttemptVerified},
		{"not owned", func(w *world) {
			w.set.Owns, _ = policy.ParseMatchers([]string{`instance="b"`})
		}, "target", receiver.AttemptRefused},
		{"silenced", func(w *world) { w.am.set(api("a"), guard.LiveSuppressed) }, "live", receiver.AttemptBlocked},
		{"gone from Alertmanager", func(w *world) { w.am.set(api("a"), guard.LiveAbsent) }, "live", receiver.AttemptBlocked},
		{"no plan", func(w *world) { w.fix.planErr = errors.New("no route") }, "plan", receiver.AttemptBlocked},
		{"nothing to do", func(w *world) { w.fix.planErr = fmt.Errorf("no idle session: %w", action.ErrNothingToDo) }, "plan", receiver.AttemptRefused},
		{"waits for another alert", func(w *world) {
			w.set.Policies[0].Unless, _ = policy.ParseMatchers([]string{`alertname="PostgresDown"`})
			w.post("firing", map[string]string{"alertname": "PostgresDown", "severity": "critical"})
		}, "unless", receiver.AttemptBlocked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.post("firing", api("a"))
			tt.prepare(w)
			w.pass(50 * time.Second)
			a := w.attempts(1)[0]
			if a.State != tt.state || a.Guard != tt.guard {
				t.Errorf("state %s by %q (%s), want %s by %q", a.State, a.Guard, a.Reason, tt.state, tt.guard)
			}
			acted := tt.state == receiver.AttemptVerified
			if acted != (w.fix.effects == 1) {
				t.Errorf("effects = %d", w.fix.effects)
			}
			if !acted && !slices.Contains(w.pager.log(), "+0s oncall/email firing") {
				t.Errorf("refused, but nobody was paged: %v", w.pager.log())
			}
			if !acted && a.Reason == "" {
				t.Error("refused without a reason")
			}
		})
	}
}

func TestCooldownIgnoresFlapping(t *testing.T) {
	w := newWorld(t)
	for range 4 { // fires again every minute, with a new start
		w.post("firing", api("a"))
		w.pass(time.Minute)
		w.post("resolved", api("a"))
		w.pass(time.Second)
	}
	if w.fix.effects != 1 {
		t.Errorf("effects = %d within the cooldown, want 1", w.fix.effects)
	}
	if n := len(w.incidents()); n != 1 {
		t.Errorf("incidents = %d, want 1 that was reopened", n)
	}
}

func TestRetriesAfterCooldownUpToMaxAttempts(t *testing.T) {
	w := newWorld(t)
	w.set.Policies[0].Repair[0].MaxAttempts = 2
	w.fix.works = false
	w.fix.onApply = nil
	w.post("firing", api("a"))
	w.pass(2 * time.Hour)
	w.wantStates(1, receiver.AttemptFailed, receiver.AttemptFailed)
	if w.fix.effects != 2 {
		t.Errorf("effects = %d, want 2", w.fix.effects)
	}
}

func TestOldAlertIsNotActedOn(t *testing.T) {
	w := newWorld(t)
	w.stop = "PAUSE"
	w.post("firing", api("a"))
	w.am.err = errors.New("down") // nobody confirms that it still fires
	w.pass(16 * time.Minute)
	w.stop = ""
	w.pass(time.Minute)
	if a := w.attempts(1)[0]; a.Guard != "freshness" || a.State != receiver.AttemptRefused {
		t.Errorf("%s by %q (%s), want refused by freshness", a.State, a.Guard, a.Reason)
	}
}

func TestLongSilenceOfAlertmanagerDoesNotMakeAnActiveAlertOld(t *testing.T) {
	w := newWorld(t)
	w.stop = "PAUSE"
	w.post("firing", api("a"))
	w.pass(40 * time.Minute) // far beyond max_age, but Alertmanager has it active
	w.stop = ""
	w.pass(time.Minute)
	w.wantStates(1, receiver.AttemptVerified)
}

func TestCouldNotTellPagesAndNeverGoesOn(t *testing.T) {
	w := newWorld(t)
	w.addStep("fake.next")
	w.proof = func(policy.Verify) error { return fmt.Errorf("%w: prober broken", action.ErrUnknown) }
	w.post("firing", api("a"))
	w.pass(4 * time.Minute)
	w.wantStates(1, receiver.AttemptUnknown)
	w.wantPages("+2m0s oncall/email firing")
	if w.next.effects != 0 {
		t.Error("went on to the next, harsher step")
	}
}

func TestResolveBeforeStartDropsTheRepair(t *testing.T) {
	w := newWorld(t)
	w.stop = "PAUSE"
	w.post("firing", api("a"))
	w.pass(time.Second)
	w.post("resolved", api("a"))
	w.stop = ""
	w.pass(time.Minute)
	w.wantStates(1, receiver.AttemptDropped)
	if w.fix.effects != 0 {
		t.Error("acted on a resolved alert")
	}
	w.wantPages("+0s oncall/email firing", "+1s oncall/email resolved")
}

func TestFlappingVerificationNeedsAnUnbrokenHoldDown(t *testing.T) {
	w := newWorld(t)
	looks := 0
	w.proof = func(policy.Verify) error {
		looks++
		if looks%3 == 0 {
			return errors.New("down again")
		}
		return nil
	}
	w.post("firing", api("a"))
	w.pass(3 * time.Minute)
	w.wantStates(1, receiver.AttemptFailed)
}

func TestPersonsRunGoesThroughTargetAndLockOnly(t *testing.T) {
	w := newWorld(t)
	w.set.Mode = receiver.ModeApprove
	w.set.Policies[0].Mode = receiver.ModeOff // the policy's own mode is for the machine
	plan := receiver.Plan{Action: "fake.fix", Resource: "fake/api", Summary: "Fix the fake"}
	var id int64
	w.update(func(tx *storeTx) (err error) {
		id, err = tx.InsertAttempt(receiver.Attempt{
			Policy: "api-down", Action: "fake.fix", Mode: receiver.ModeAuto, State: receiver.AttemptWaiting,
			By: "alice", Approval: plan.Hash(), Created: tx.Now(), Due: tx.Now(),
		})
		return err
	})
	w.pass(time.Minute)
	w.update(func(tx *storeTx) error {
		a, err := tx.Attempt(id)
		if a.State != receiver.AttemptVerified {
			t.Errorf("state %s (%s: %s), want verified", a.State, a.Guard, a.Reason)
		}
		return err
	})
}

func TestApprovedPlanIsAppliedAsItWasShown(t *testing.T) {
	w := newWorld(t)
	w.set.Policies[0].Mode = receiver.ModeApprove
	w.fix.data = `["pid 1"]`
	w.post("firing", api("a"))
	w.pass(time.Second)
	shown := w.attempts(1)[0]
	w.fix.data = `["pid 1","pid 2"]` // found since
	w.update(func(tx *storeTx) error {
		a, err := tx.Attempt(shown.ID)
		if err != nil {
			return err
		}
		a.State, a.Approval, a.Approved, a.Due = receiver.AttemptWaiting, shown.Plan.Hash(), "alice", tx.Now()
		return tx.SaveAttempt(a)
	})
	w.pass(time.Minute)
	w.wantStates(1, receiver.AttemptVerified)
	if got := string(w.fix.applied); got != `["pid 1"]` {
		t.Errorf("applied %s, want what was shown", got)
	}
}

func TestPausedRepairShowsWhatItWouldDo(t *testing.T) {
	w := newWorld(t)
	w.stop = "/storage/pause"
	w.post("firing", api("a"))
	w.pass(2 * time.Minute)
	a := w.attempts(1)[0]
	if a.State != receiver.AttemptBlocked || !strings.HasSuffix(a.Reason, "; it would fix the fake") {
		t.Errorf("%s: %s", a.State, a.Reason)
	}
	if n := countOf(w.timeline(1), "guard"); n != 1 {
		t.Errorf("the refusal stands %d times in the timeline, want once", n)
	}
}

func TestShadowShowsWhatItWouldDoWhilePaused(t *testing.T) {
	w := newWorld(t)
	w.set.Mode = receiver.ModeShadow
	w.stop = "/storage/pause"
	w.post("firing", api("a"))
	w.pass(time.Second)
	w.wantStates(1, receiver.AttemptShadowed)
}

func countOf(list []string, word string) (n int) {
	for _, s := range list {
		if s == word {
			n++
		}
	}
	return n
}

func TestClearedAlertIsNoProof(t *testing.T) {
	w := newWorld(t)
	w.proof = func(policy.Verify) error { return errors.New("status 503") }
	w.post("firing", api("a"))
	w.pass(5 * time.Second)
	w.post("resolved", api("a")) // falsely: Prometheus restarted, say
	w.pass(30 * time.Second)
	if !w.incident(1).Open() {
		t.Fatal("the incident was closed before the repair was proven")
	}
	w.wantPages()
	w.pass(2 * time.Minute)
	w.wantStates(1, receiver.AttemptFailed)
	w.wantPages("+2m0s oncall/email firing")
	var answer incident.Answer
	w.update(func(tx *storeTx) (err error) { answer, err = incident.Close(tx, 1, "alice"); return err })
	if i := w.incident(1); !answer.Done || i.Open() || i.ResolvedBy != "alice" {
		t.Errorf("%+v, open %t, resolved by %q", answer, i.Open(), i.ResolvedBy)
	}
}

func TestClearedAlertClosesOnceTheRepairIsProven(t *testing.T) {
	w := newWorld(t)
	w.post("firing", api("a"))
	w.pass(5 * time.Second)
	w.post("resolved", api("a"))
	w.pass(time.Minute)
	if i := w.incident(1); i.Open() || i.ResolvedBy != "repair" {
		t.Errorf("open %t, resolved by %q, want repair", i.Open(), i.ResolvedBy)
	}
}
