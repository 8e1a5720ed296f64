package incident_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/policy"
	"github.com/chronoops/chronoops/receiver/store"
	"github.com/chronoops/chronoops/receiver/store/storetest"
)

// world is a store with a policy set: ApiDown is repaired in auto, DiskFull proposed, DbDown shadowed; Night has a ladder of its
// own.
type world struct {
	testing.TB
	clock *storetest.Clock
	db    *store.DB
	set   *policy.Set
	group receiver.Group
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{TB: t, clock: storetest.NewClock(), group: receiver.Group{Source: "prod", Receiver: "chronoops", Labels: map[string]string{"team": "a"}}}
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	w.db = db
	t.Cleanup(func() { _ = db.Close() })
	rule := func(name string, mode receiver.Mode, ladder string, repair ...policy.Step) policy.Policy {
		m, err := policy.ParseMatchers([]string{fmt.Sprintf("alertname=%q", name)})
		if err != nil {
			t.Fatal(err)
		}
		return policy.Policy{Name: "on-" + name, Match: m, Mode: mode, Escalate: ladder, Repair: repair}
	}
	w.set = &policy.Set{
		Mode: receiver.ModeAuto,
		Policies: []policy.Policy{
			rule("ApiDown", receiver.ModeAuto, "default", policy.Step{Action: "fake.fix"}, policy.Step{Action: "fake.next"}),
			rule("DiskFull", receiver.ModeApprove, "default", policy.Step{Action: "fake.clean"}),
			rule("DbDown", receiver.ModeShadow, "default", policy.Step{Action: "fake.db"}),
			rule("Quiet", receiver.ModeOff, "default", policy.Step{Action: "fake.quiet"}),
			rule("PageOnly", receiver.ModeAuto, "default"),
			rule("Night", receiver.ModeAuto, "night"),
		},
		Ladders: policy.Ladders{
			"default": {{Level: 1, Timeout: policy.Minutes(15 * time.Minute), Contacts: []string{"a"}}},
			"night":   {{Level: 1, Timeout: policy.Minutes(15 * time.Minute), Contacts: []string{"b"}}},
		},
		ReopenWithin: 10 * time.Minute, AckFor: time.Hour,
	}
	return w
}

func (w *world) update(fn func(*store.Tx) error) {
	w.Helper()
	if err := w.db.Update(w.Context(), fn); err != nil {
		w.Fatal(err)
	}
}

// alert reads "Name instance severity".
func (w *world) alert(words string) receiver.Alert {
	f := append(strings.Fields(words), "", "")
	labels := map[string]string{"alertname": f[0], "instance": f[1], "severity": f[2]}
	for k, v := range labels {
		if v == "" {
			delete(labels, k)
		}
	}
	now := w.clock.Now()
	return receiver.Alert{Source: w.group.Source, Key: receiver.AlertKey(labels, []string{"severity"}), Labels: labels, StartsAt: now, EndsAt: now}
}

func (w *world) fire(words string) (o incident.Outcome) {
	w.Helper()
	w.update(func(tx *store.Tx) (err error) { o, err = incident.Fire(tx, w.set, w.group, w.alert(words)); return err })
	return o
}

func (w *world) resolve(words string) (o incident.Outcome) {
	w.Helper()
	w.update(func(tx *store.Tx) (err error) { o, err = incident.Resolve(tx, w.alert(words)); return err })
	return o
}

func (w *world) ack(id int64, person string) (r incident.Answer) {
	w.Helper()
	w.update(func(tx *store.Tx) (err error) { r, err = incident.Ack(tx, id, person, w.set.AckFor); return err })
	return r
}

func (w *world) incident(id int64) (i receiver.Incident) {
	w.Helper()
	w.update(func(tx *store.Tx) (err error) { i, err = tx.Incident(id); return err })
	return i
}

// change edits an incident as the engine would.
func (w *world) change(id int64, fn func(*receiver.Incident)) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		i, err := tx.Incident(id)
		fn(&i)
		return errors.Join(err, tx.SaveIncident(i))
	})
}

func (w *world) repair(episode int64, state receiver.RepairState) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		e, err := tx.Episode(episode)
		e.Repair = state
		return errors.Join(err, tx.SaveEpisode(e))
	})
}

func (w *world) page(id int64, channel string, kind receiver.NoticeKind, state receiver.PageState) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		p := receiver.Page{Incident: id, Kind: kind, Level: 1, Role: "oncall", Channel: channel, Priority: receiver.P2, State: state, Created: tx.Now()}
		if state == receiver.PagePending || state == receiver.PageSending {
			p.Due = tx.Now()
		}
		_, err := tx.InsertPage(p)
		return err
	})
}

// pages lists "kind state channel".
func (w *world) pages(id int64) (list []string) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		pages, err := tx.Pages(id)
		for _, p := range pages {
			list = append(list, fmt.Sprintf("%s %s %s", p.Kind, p.State, p.Channel))
		}
		return err
	})
	return list
}

func (w *world) attempts(id int64) (list []string) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		attempts, err := tx.Attempts(id)
		for _, a := range attempts {
			list = append(list, fmt.Sprintf("%s %s %s", a.Action, a.State, a.Mode))
		}
		return err
	})
	return list
}

func (w *world) timeline(id int64) (list []string) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		events, err := tx.Events(id)
		for _, e := range events {
			list = append(list, e.Actor+" "+e.Kind+": "+e.Text)
		}
		return err
	})
	return list
}

func (w *world) equal(what string, want, got any) {
	w.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestOpenAndResolve(t *testing.T) {
	w := newWorld(t)
	w.equal("fire", incident.Opened, w.fire("ApiDown a critical"))
	i := w.incident(1)
	if i.Priority != receiver.P1 || i.Title != `ApiDown {team="a"}` || !i.Due.Equal(storetest.Begin) || i.Level != 0 || i.Ladder.Name != "default" || len(i.Ladder.Levels) != 1 {
		t.Errorf("incident %+v", i)
	}
	w.clock.Pass(90 * time.Second)
	w.equal("again", incident.Seen, w.fire("ApiDown a critical"))
	w.equal("resolve", incident.Closed, w.resolve("ApiDown a critical"))
	w.equal("resolve again", incident.Unknown, w.resolve("ApiDown a critical"))
	i = w.incident(1)
	if i.Open() || i.ResolvedBy != "alert cleared" || !i.Due.IsZero() {
		t.Errorf("resolved incident %+v", i)
	}
	w.equal("attempts", []string{"fake.fix dropped auto"}, w.attempts(1))
	w.equal("pages", []string(nil), w.pages(1))
	w.equal("timeline", []string{
		"chronoops opened: incident 1 opened, priority P1",
		`chronoops alert: firing: ApiDown {instance="a", severity="critical"}`,
		`chronoops resolved: resolved: ApiDown {instance="a", severity="critical"}`,
		"chronoops dropped: fake.fix is not needed: the alert resolved before anything was done",
		"chronoops resolved: incident 1 resolved (alert cleared) after 1m30s",
	}, w.timeline(1))
}

func TestRepairBeginsAsThePolicySays(t *testing.T) {
	for name, want := range map[string]struct {
		repair   receiver.RepairState
		attempts []string
	}{
		"ApiDown":  {receiver.RepairPending, []string{"fake.fix waiting auto"}},
		"DiskFull": {receiver.RepairNone, []string{"fake.clean waiting approve"}},
		"DbDown":   {receiver.RepairNone, []string{"fake.db waiting shadow"}},
		"Quiet":    {receiver.RepairNone, nil},
		"PageOnly": {receiver.RepairNone, nil},
		"Other":    {receiver.RepairNone, nil},
	} {
		w := newWorld(t)
		w.fire(name + " a")
		w.equal(name, want.attempts, w.attempts(1))
		w.update(func(tx *store.Tx) error {
			list, err := tx.Episodes(1)
			w.equal(name+" repair", want.repair, list[0].Repair)
			return err
		})
	}
	// The ceiling is stricter than the policy.
	w := newWorld(t)
	w.set.Mode = receiver.ModeShadow
	w.fire("ApiDown a")
	w.equal("under a ceiling", []string{"fake.fix waiting shadow"}, w.attempts(1))
	w.set.Mode = receiver.ModeOff
	w.fire("ApiDown b")
	w.equal("switched off", []string{"fake.fix waiting shadow"}, w.attempts(1))
}

func TestIgnored(t *testing.T) {
	w := newWorld(t)
	for _, words := range []string{"Watchdog a", "Other a info", "Other a none"} {
		w.equal(words, incident.Ignored, w.fire(words))
		w.equal(words+" resolved", incident.Unknown, w.resolve(words))
	}
	w.update(func(tx *store.Tx) error {
		list, err := tx.Incidents(false, 10)
		w.equal("incidents", 0, len(list))
		return err
	})
}

func TestJoin(t *testing.T) {
	w := newWorld(t)
	w.fire("Other a")
	w.change(1, func(i *receiver.Incident) { i.Level, i.Due = 1, i.Due.Add(time.Hour) })
	w.fire("Other b")
	i := w.incident(1)
	if i.Level != 1 || !i.Due.Equal(storetest.Begin.Add(time.Hour)) || i.Priority != receiver.P2 {
		t.Errorf("an alert of the same priority disturbs the ladder: %+v", i)
	}
	w.equal("one of two resolves", incident.Closed, w.resolve("Other a"))
	if !w.incident(1).Open() {
		t.Error("the incident closed while an alert fires")
	}
	// Another group, another source, another ladder: another incident.
	w.fire("Night a")
	w.group.Labels = map[string]string{"team": "b"}
	w.fire("Other c")
	w.group.Labels, w.group.Source = map[string]string{"team": "a"}, "test"
	w.fire("Other a")
	w.group.Source, w.group.Receiver = "prod", "else"
	w.fire("Other d")
	w.update(func(tx *store.Tx) error {
		list, err := tx.Incidents(true, 10)
		w.equal("incidents", 5, len(list))
		return err
	})
}

func TestHeldIncidentIsLookedAtAgain(t *testing.T) {
	w := newWorld(t)
	w.fire("ApiDown a critical")
	w.change(1, func(i *receiver.Incident) { i.Held, i.Due = true, i.Due.Add(5*time.Minute) })
	w.clock.Pass(time.Minute)
	w.fire("PageOnly b critical")
	if i := w.incident(1); !i.Due.Equal(w.clock.Now()) || !i.Held {
		t.Errorf("due %s, held %v: the page of the second alert waits for the first one's repair", i.Due, i.Held)
	}
}

func TestPriorityIsRaised(t *testing.T) {
	w := newWorld(t)
	w.fire("Other a")
	w.change(1, func(i *receiver.Incident) { i.Level, i.Round, i.Held = 1, 2, true })
	w.ack(1, "ann")
	w.clock.Pass(time.Minute)
	w.fire("Other b critical")
	i := w.incident(1)
	if i.Priority != receiver.P1 || i.Ack != nil || i.Level != 0 || i.Round != 0 || i.Held || !i.Due.Equal(w.clock.Now()) {
		t.Errorf("raised incident %+v", i)
	}
	w.fire("Other c")
	if i := w.incident(1); i.Priority != receiver.P1 {
		t.Errorf("a lesser alert lowered the priority to %s", i.Priority)
	}
	// Resolving the worse alert leaves the priority: what was urgent stays until all is over.
	w.resolve("Other b critical")
	if i := w.incident(1); i.Priority != receiver.P1 || !i.Open() {
		t.Errorf("%s, open %v", i.Priority, i.Open())
	}
}

func TestReopen(t *testing.T) {
	w := newWorld(t)
	w.fire("Other a critical")
	w.change(1, func(i *receiver.Incident) { i.Level, i.Round = 1, 3 })
	w.ack(1, "ann")
	w.resolve("Other a critical")
	w.clock.Pass(w.set.ReopenWithin)
	w.equal("fire", incident.Opened, w.fire("Other a"))
	i := w.incident(1)
	if !i.Open() || i.ResolvedBy != "" || i.Ack != nil || i.Level != 0 || i.Round != 0 || i.Priority != receiver.P2 || !i.Due.Equal(w.clock.Now()) || !i.Opened.Equal(storetest.Begin) {
		t.Errorf("reopened incident %+v", i)
	}
	w.resolve("Other a")
	w.clock.Pass(w.set.ReopenWithin + time.Millisecond)
	w.fire("Other a")
	if i := w.incident(2); !i.Open() || w.incident(1).Open() {
		t.Error("after ReopenWithin another incident opens")
	}
}

func TestResolvedByRepair(t *testing.T) {
	w := newWorld(t)
	w.fire("ApiDown a")
	w.fire("ApiDown b")
	w.repair(1, receiver.RepairVerified)
	w.resolve("ApiDown a")
	w.resolve("ApiDown b")
	w.equal("one of two was repaired", "repair", w.incident(1).ResolvedBy)
	// It fires again and clears by itself: the repair of the first time has nothing to do with it.
	w.clock.Pass(time.Minute)
	w.fire("ApiDown a")
	w.page(1, "ann/email", receiver.NoticeFiring, receiver.PageSent)
	w.repair(3, receiver.RepairNone)
	w.clock.Pass(time.Minute)
	w.resolve("ApiDown a")
	w.equal("after it was reopened", "alert cleared", w.incident(1).ResolvedBy)
	w.equal("pages", []string{"firing sent ann/email", "resolved pending ann/email"}, w.pages(1))
}

func TestStaleResolve(t *testing.T) {
	w := newWorld(t)
	old := w.alert("Other a")
	old.EndsAt = old.StartsAt.Add(-time.Second)
	w.fire("Other a")
	w.update(func(tx *store.Tx) error {
		o, err := incident.Resolve(tx, old)
		w.equal("a message older than the episode", incident.Stale, o)
		return err
	})
	if !w.incident(1).Open() {
		t.Error("a stale message resolved the incident")
	}
	old.EndsAt = old.StartsAt
	w.update(func(tx *store.Tx) error {
		o, err := incident.Resolve(tx, old)
		w.equal("a message of the same moment", incident.Closed, o)
		return err
	})
}

func TestAttemptUnderWayIsNotDropped(t *testing.T) {
	w := newWorld(t)
	w.fire("ApiDown a")
	w.update(func(tx *store.Tx) error {
		a, _, err := tx.OpenAttempt(1)
		a.State, a.Started, a.Resource = receiver.AttemptStarted, tx.Now(), "fake/api"
		return errors.Join(err, tx.SaveAttempt(a))
	})
	w.resolve("ApiDown a")
	w.equal("attempts", []string{"fake.fix started auto"}, w.attempts(1))
}

// A worker that has claimed a decision cannot start it once the alert has resolved meanwhile.
func TestDroppedAttemptDoesNotStart(t *testing.T) {
	w := newWorld(t)
	w.fire("ApiDown a")
	var claimed receiver.Attempt
	w.update(func(tx *store.Tx) (err error) {
		claimed, _, err = tx.ClaimAttempt("worker", time.Minute, receiver.P2)
		return err
	})
	w.resolve("ApiDown a")
	claimed.State, claimed.Started, claimed.Resource = receiver.AttemptStarted, w.clock.Now(), "fake/api"
	if err := w.db.Update(t.Context(), func(tx *store.Tx) error { return tx.SaveAttempt(claimed) }); err == nil {
		t.Error("an attempt that was dropped started")
	}
}
