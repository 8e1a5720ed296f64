package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/policy"
	"github.com/chronoops/chronoops/receiver/store"
)

type storeTx = store.Tx

func disk(instance string) map[string]string {
	return map[string]string{"alertname": "DiskSpaceLow", "instance": instance, "severity": "critical"}
}

func TestEscalatesUntilAcknowledged(t *testing.T) {
	w := newWorld(t)
	w.post("firing", disk("a")) // no policy: the default ladder at P1
	w.pass(20 * time.Minute)
	w.wantPages("+0s oncall/email firing", "+15m0s lead/slack firing")
	if res := w.ack(1, "alice"); !res.Done {
		t.Fatal(res.Text)
	}
	w.pass(3 * time.Hour)
	w.wantPages("+0s oncall/email firing", "+15m0s lead/slack firing")
	if res := w.ack(1, "alice"); res.Done {
		t.Error("acknowledging twice was not harmless")
	}
	w.post("resolved", disk("a"))
	w.pass(time.Minute)
	w.wantPages("+0s oncall/email firing", "+15m0s lead/slack firing", "+3h20m0s lead/slack resolved", "+3h20m0s oncall/email resolved")
	if res := w.ack(1, "bob"); res.Done {
		t.Error("a resolved incident was acknowledged")
	}
}

func TestLastLevelRepeats(t *testing.T) {
	w := newWorld(t)
	w.post("firing", disk("a"))
	w.pass(80 * time.Minute)
	w.wantPages("+0s oncall/email firing", "+15m0s lead/slack firing", "+45m0s lead/slack firing", "+1h15m0s lead/slack firing")
}

// Invariant 2: every open, unacknowledged P0 has a delivery attempt within 30 s, repair or not; its levels follow within
// the response target.
func TestInvariant2P0PagesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.priority(receiver.P0)
	w.fix.works = false
	w.post("firing", api("a"))
	w.pass(6 * time.Minute)
	w.wantPages("+0s oncall/email firing", "+5m0s lead/slack firing")
}

// Invariant 3: adding an alert never delays another's page.
func TestInvariant3AlertWithoutRepairEndsTheHold(t *testing.T) {
	w := newWorld(t)
	w.fix.works = false
	w.post("firing", api("a"))
	w.pass(10 * time.Second)
	w.wantPages()
	w.set.Policies[0].Mode = receiver.ModeShadow // the next alert of the group gets no repair
	w.post("firing", api("a"), api("b"))
	w.pass(time.Second)
	w.wantPages("+10s oncall/email firing")
}

// Invariant 4: auto instead of off delays a page by at most the hold.
func TestInvariant4HoldIsBounded(t *testing.T) {
	w := newWorld(t)
	w.fix.works = false
	w.set.Hold = 90 * time.Second
	w.post("firing", api("a"))
	w.pass(10 * time.Minute)
	w.wantPages("+1m30s oncall/email firing")
}

func TestHoldEndsWhenTheRepairDoesNotBegin(t *testing.T) {
	w := newWorld(t)
	w.post("firing", api("a"))
	// The repair lane stands still: only pages are worked on.
	for range 10 {
		for range 2 {
			if _, err := w.engine.Step(t.Context(), "page"); err != nil {
				t.Fatal(err)
			}
		}
		w.clock.set(w.clock.Now().Add(5 * time.Second))
	}
	w.wantPages("+15s oncall/email firing")
}

// Invariant 5: an acknowledgement covers only what it was shown.
func TestInvariant5AckCoversOnlyWhatItWasShown(t *testing.T) {
	tests := []struct {
		name string
		then func(*world)
		want string
	}{
		{"a new alert", func(w *world) { w.post("firing", disk("a"), disk("b")) }, "+1m0s oncall/email firing"},
		{"its expiry", func(w *world) { w.pass(4 * time.Hour) }, "+4h1m0s oncall/email firing"},
		{"a higher priority", func(w *world) {
			labels := disk("c")
			labels["priority"] = "P0"
			w.post("firing", disk("a"), labels)
		}, "+1m0s oncall/email firing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.post("firing", disk("a"))
			w.pass(time.Minute)
			w.ack(1, "alice")
			tt.then(w)
			w.pass(2 * time.Second)
			w.wantPages("+0s oncall/email firing", tt.want)
		})
	}
}

func TestFailedRepairEndsTheAcknowledgement(t *testing.T) {
	w := newWorld(t)
	w.priority(receiver.P0)
	w.fix.works = false
	w.set.Policies[0].ActWhenAcked = true
	w.post("firing", api("a"))
	w.pass(time.Second)
	w.ack(1, "alice")
	w.pass(3 * time.Minute)
	w.wantPages("+0s oncall/email firing", "+2m0s oncall/email firing")
}

func TestAcknowledgedIncidentIsNotRepaired(t *testing.T) {
	w := newWorld(t)
	w.stop = "PAUSE"
	w.post("firing", api("a"))
	w.pass(time.Second)
	w.ack(1, "alice")
	w.stop = ""
	w.pass(time.Minute)
	w.wantStates(1, receiver.AttemptRefused)
	if w.fix.effects != 0 {
		t.Error("acted behind the back of the person who is on it")
	}
}

func TestLevelNobodyCanReceiveGoesOnAtOnce(t *testing.T) {
	w := newWorld(t)
	delete(w.pager.roles, "oncall")
	w.post("firing", disk("a"))
	w.pass(time.Second)
	w.wantPages("+0s lead/slack firing")
}

func TestNobodyReachableKeepsTrying(t *testing.T) {
	w := newWorld(t)
	roles := w.pager.roles
	w.pager.roles = nil
	w.post("firing", disk("a"))
	w.pass(10 * time.Minute)
	w.wantPages()
	w.pager.roles = roles // a reload has mended the contacts
	w.pass(2 * time.Minute)
	w.wantPages("+11m0s oncall/email firing")
}

func TestSends(t *testing.T) {
	fail := func(o receiver.SendOutcome, times int) func(string, receiver.Notice) error {
		return func(channel string, _ receiver.Notice) error {
			if channel != "oncall/email" || times == 0 {
				return nil
			}
			times--
			return &receiver.SendError{Outcome: o, Reason: "test", Err: errors.New("provider said no")}
		}
	}
	tests := []struct {
		name     string
		severity string
		answer   func(string, receiver.Notice) error
		want     []string
	}{
		{"retried with backoff", "critical", fail(receiver.SendRetry, 2), []string{
			"+0s oncall/email firing", "+5s oncall/email firing", "+15s oncall/email firing",
		}},
		{"refused goes to the next level", "critical", fail(receiver.SendRefused, 99), []string{"+0s oncall/email firing", "+0s lead/slack firing"}},
		{"ambiguous is repeated once, marked", "critical", fail(receiver.SendUnknown, 1), []string{
			"+0s oncall/email firing", "+5s oncall/email firing repeated",
		}},
		{"ambiguous twice goes to the next level", "critical", fail(receiver.SendUnknown, 2), []string{
			"+0s oncall/email firing", "+5s oncall/email firing repeated", "+5s lead/slack firing",
		}},
		{"ambiguous P2 goes to the next level", "warning", fail(receiver.SendUnknown, 1), []string{"+0s oncall/email firing", "+0s lead/slack firing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.pager.answer = tt.answer
			labels := disk("a")
			labels["severity"] = tt.severity
			w.post("firing", labels)
			w.pass(5 * time.Minute)
			w.wantPages(tt.want...)
		})
	}
}

func TestTwoLaddersAreTwoIncidents(t *testing.T) {
	w := newWorld(t)
	match, err := policy.ParseMatchers([]string{`alertname="ApiDown"`, `instance="db"`})
	if err != nil {
		t.Fatal(err)
	}
	w.set.Ladders["database"] = []policy.LevelConfig{{Level: 1, Timeout: policy.Minutes(time.Minute), Contacts: []string{"lead"}}}
	special := w.set.Policies[0]
	special.Name, special.Match, special.Escalate, special.Repair = "db", match, "database", nil
	w.set.Policies = append([]policy.Policy{special}, w.set.Policies...)
	w.set.Policies[1].Repair = nil
	w.post("firing", api("a"), api("db"))
	w.pass(time.Second)
	w.wantPages("+0s oncall/email firing", "+0s lead/slack firing")
}

func TestInfoAndWatchdogOpenNothing(t *testing.T) {
	w := newWorld(t)
	w.post("firing", map[string]string{"alertname": "Watchdog", "severity": "none"})
	w.post("firing", map[string]string{"alertname": "UnusedIndex", "severity": "info"})
	w.pass(time.Hour)
	if list := w.incidents(); len(list) != 0 {
		t.Errorf("incidents = %d, want none", len(list))
	}
	w.wantPages()
}

// Invariant 10, as far as a store can know: a new store acts on nothing until a person resumes.
func TestInvariant10NewStoreStartsPaused(t *testing.T) {
	w := newWorld(t)
	w.update(func(tx *storeTx) error {
		return tx.Pause(receiver.Pause{Reason: "as new", By: "chronoops", At: tx.Now()})
	})
	fresh, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fresh.Close() }()
	err = fresh.View(t.Context(), func(tx *storeTx) error {
		pauses, err := tx.Pauses()
		if len(pauses) != 1 {
			t.Errorf("a new store has %d pauses, want 1", len(pauses))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Invariant 11: one open episode per alert, and a late message changes nothing that it should not.
func TestInvariant11RepeatsAndLateMessages(t *testing.T) {
	w := newWorld(t)
	w.fix.works = false
	for range 10 {
		w.post("firing", api("a"))
	}
	w.pass(time.Minute)
	if n := len(w.incidents()); n != 1 {
		t.Fatalf("incidents = %d, want 1", n)
	}
	w.wantStates(1, receiver.AttemptApplied)
	if w.fix.effects != 1 {
		t.Errorf("effects = %d, want 1", w.fix.effects)
	}
	// A resolved message that is older than the open episode.
	code := w.tryAt("resolved", begin.Add(-time.Minute), api("a"))
	if code != 200 {
		t.Fatalf("late message answered %d", code)
	}
	if !w.incident(1).Open() {
		t.Error("a late resolved message closed the incident")
	}
}
