package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/engine"
	"github.com/chronoops/chronoops/receiver/guard"
	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/intake"
	"github.com/chronoops/chronoops/receiver/policy"
	"github.com/chronoops/chronoops/receiver/store"
)

// manualClock moves only when told to.
type manualClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *manualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *manualClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
}

var begin = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// world is a whole receiver over a real store, with a manual clock and fakes for what lies outside.
type world struct {
	t      testing.TB
	clock  *manualClock
	db     *store.DB
	set    *policy.Set
	fix    *fakeAction
	next   *fakeAction
	pager  *fakePager
	am     *fakeAlertmanager
	proof  func(policy.Verify) error
	stop   string
	engine *engine.Engine
	intake *intake.Handler
}

type engineStore struct{ *store.DB }

func (s engineStore) Update(ctx context.Context, fn func(engine.Tx) error) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s engineStore) View(ctx context.Context, fn func(engine.Tx) error) error {
	return s.DB.View(ctx, func(tx *store.Tx) error { return fn(tx) })
}

type intakeStore struct{ *store.DB }

func (s intakeStore) Update(ctx context.Context, fn func(intake.Tx) error) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

type anySource struct{}

func (anySource) Source(*http.Request) (string, error) { return "prod", nil }

type noRejects struct{}

func (noRejects) Keep(string, []byte) error { return nil }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clock: &manualClock{now: begin}, set: standardSet()}
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w.db = db
	w.am = &fakeAlertmanager{state: map[string]guard.LiveState{}}
	w.fix = &fakeAction{name: "fake.fix", works: true, onApply: func() { w.am.clear() }}
	w.next = &fakeAction{name: "fake.next", works: true, onApply: func() { w.am.clear() }}
	w.pager = &fakePager{roles: map[string][]string{"oncall": {"oncall/email"}, "lead": {"lead/slack"}}}
	w.proof = func(policy.Verify) error { return nil }
	w.build()
	w.resume()
	return w
}

func (w *world) build() {
	w.engine = engine.New(engine.Options{
		Owner: "test", Store: engineStore{w.db}, Clock: w.clock, Policies: func() *policy.Set { return w.set },
		Actions: action.NewRegistry(w.fix, w.next), Pager: w.pager, Alertmanager: w.am, Prover: proverFunc(func(v policy.Verify) error { return w.proof(v) }),
		StopFile: func() (string, error) { return w.stop, nil }, Link: func(id int64) string { return fmt.Sprintf("http://chronoops/incidents/%d", id) },
		Metrics: engine.NewMetrics(prometheus.NewRegistry()), Logger: discard(),
	})
	w.intake = intake.NewHandler(intake.Options{
		Store: intakeStore{w.db}, Auth: anySource{}, Policies: func() *policy.Set { return w.set }, Timeout: 10 * time.Second,
		Rejected: noRejects{}, Metrics: intake.NewMetrics(prometheus.NewRegistry()), Logger: discard(), Committed: func() {},
	})
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

type proverFunc func(policy.Verify) error

func (f proverFunc) Prove(_ context.Context, v policy.Verify) error { return f(v) }

// standardSet has one policy in auto, P1, with two steps, and a ladder of two levels.
func standardSet() *policy.Set {
	match, err := policy.ParseMatchers([]string{`alertname="ApiDown"`})
	if err != nil {
		panic(err)
	}
	p1 := receiver.P1
	step := func(name string) policy.Step {
		return policy.Step{
			Action: name, Cooldown: model.Duration(10 * time.Minute), MaxAttempts: 1, MaxPerDay: 6, Timeout: model.Duration(time.Minute),
			Verify: policy.Verify{Within: model.Duration(2 * time.Minute), Interval: model.Duration(5 * time.Second), HoldDown: model.Duration(20 * time.Second)},
		}
	}
	return &policy.Set{
		Mode: receiver.ModeAuto,
		Policies: []policy.Policy{{
			Name: "api-down", Match: match, Priority: &p1, Mode: receiver.ModeAuto, Escalate: policy.DefaultLadder, MaxAge: model.Duration(15 * time.Minute),
			Repair: []policy.Step{step("fake.fix")},
		}},
		Ladders: policy.Ladders{policy.DefaultLadder: {
			{Level: 1, Timeout: policy.Minutes(15 * time.Minute), Contacts: []string{"oncall"}},
			{Level: 2, Timeout: policy.Minutes(30 * time.Minute), Contacts: []string{"lead"}},
		}},
		Hold: 5 * time.Minute, ReopenWithin: 10 * time.Minute, AckFor: 4 * time.Hour,
		Recheck: 30 * time.Second, ApprovalFor: time.Hour, MaxBody: 1 << 20,
	}
}

func (w *world) addStep(name string) {
	p := &w.set.Policies[0]
	step := p.Repair[0]
	step.Action = name
	p.Repair = append(p.Repair, step)
}

func (w *world) priority(p receiver.Priority) { w.set.Policies[0].Priority = &p }

func (w *world) resume() {
	w.t.Helper()
	w.update(func(tx *store.Tx) error { _, err := tx.Resume(""); return err })
}

func (w *world) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) ack(id int64, who string) incident.Answer {
	w.t.Helper()
	var res incident.Answer
	w.update(func(tx *store.Tx) (err error) { res, err = incident.Ack(tx, id, who, w.set.AckFor); return err })
	return res
}

// labels of the standard alert on an instance.
func api(instance string) map[string]string {
	return map[string]string{"alertname": "ApiDown", "instance": instance, "severity": "critical"}
}

// post sends a webhook message about alerts of one group, as Alertmanager would.
func (w *world) post(status string, alerts ...map[string]string) {
	w.t.Helper()
	if code := w.try(status, alerts...); code != http.StatusOK {
		w.t.Fatalf("webhook answered %d", code)
	}
}

func (w *world) try(status string, alerts ...map[string]string) int {
	w.t.Helper()
	return w.tryAt(status, w.clock.Now(), alerts...)
}

func (w *world) tryAt(status string, at time.Time, alerts ...map[string]string) int {
	w.t.Helper()
	var list []map[string]any
	for _, labels := range alerts {
		ends := time.Time{}
		if status == "resolved" {
			ends = at
			w.am.set(labels, guard.LiveAbsent)
		} else {
			w.am.set(labels, guard.LiveActive)
		}
		list = append(list, map[string]any{
			"status": status, "labels": labels, "startsAt": begin, "endsAt": ends,
			"annotations": map[string]string{"summary": "the API does not answer"},
		})
	}
	body, err := json.Marshal(map[string]any{
		"version": "4", "groupKey": "{}", "status": status, "receiver": "chronoops", "groupLabels": map[string]string{"alertname": alerts[0]["alertname"]}, "alerts": list,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	w.intake.ServeHTTP(rec, httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/api/v1/alerts", strings.NewReader(string(body))))
	return rec.Code
}

// settle steps both lanes until nothing is due now.
func (w *world) settle() {
	w.t.Helper()
	for range 1000 {
		repaired, err := w.engine.Step(w.t.Context(), engine.LaneRepair)
		if err != nil {
			w.t.Fatal(err)
		}
		paged, err := w.engine.Step(w.t.Context(), engine.LanePage)
		if err != nil {
			w.t.Fatal(err)
		}
		if !repaired && !paged {
			return
		}
	}
	w.t.Fatal("the engine does not come to rest")
}

// pass lets time pass, stopping at every moment at which something is due.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	end := w.clock.Now().Add(d)
	for {
		w.settle()
		next := end
		w.update(func(tx *store.Tx) error {
			for _, f := range []func() (time.Time, error){tx.NextRepair, tx.NextPage} {
				due, err := f()
				if err != nil {
					return err
				}
				if !due.IsZero() && due.Before(next) {
					next = due
				}
			}
			return nil
		})
		if !next.Before(end) {
			w.clock.set(end)
			w.settle()
			return
		}
		w.clock.set(next)
	}
}

func (w *world) incidents() (list []receiver.Incident) {
	w.t.Helper()
	w.update(func(tx *store.Tx) (err error) { list, err = tx.Incidents(false, 1000); return err })
	return list
}

func (w *world) incident(id int64) (i receiver.Incident) {
	w.t.Helper()
	w.update(func(tx *store.Tx) (err error) { i, err = tx.Incident(id); return err })
	return i
}

func (w *world) attempts(id int64) (list []receiver.Attempt) {
	w.t.Helper()
	w.update(func(tx *store.Tx) (err error) { list, err = tx.Attempts(id); return err })
	return list
}

// timeline returns the kinds of an incident's events in order.
func (w *world) timeline(id int64) (kinds []string) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		events, err := tx.Events(id)
		for _, e := range events {
			kinds = append(kinds, e.Kind)
		}
		return err
	})
	return kinds
}

// fakeAction is an action whose effect is a count.
type fakeAction struct {
	name       string
	works      bool // its own verification succeeds after the effect
	hangs      bool // its own verification never ends by itself
	resource   string
	planErr    error
	idempotent bool
	applyErr   error
	onApply    func()
	data       string          // what Plan finds
	applied    json.RawMessage // what Apply was given

	mu      sync.Mutex
	effects int
	undone  int
}

func (a *fakeAction) Spec() action.Spec {
	return action.Spec{Name: a.name, Doc: "a fake", Privilege: "none", Idempotent: a.idempotent}
}

func (a *fakeAction) Resource(action.Params) (string, error) {
	if a.resource != "" {
		return a.resource, nil
	}
	return "fake/api", nil
}

func (a *fakeAction) Plan(context.Context, action.Params) (receiver.Plan, error) {
	plan := receiver.Plan{Summary: "Fix the fake"}
	if a.data != "" {
		plan.Data = json.RawMessage(a.data)
	}
	return plan, a.planErr
}

func (a *fakeAction) Apply(_ context.Context, plan receiver.Plan) (action.Result, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if errors.Is(a.applyErr, action.ErrNotApplied) {
		return action.Result{}, a.applyErr
	}
	a.effects++
	a.applied = plan.Data
	if a.onApply != nil {
		a.onApply()
	}
	return action.Result{Summary: "fixed"}, a.applyErr
}

func (a *fakeAction) Verify(ctx context.Context, _ receiver.Plan) error {
	if a.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if !a.works {
		return errors.New("still broken")
	}
	return nil
}

func (a *fakeAction) Rollback(context.Context, receiver.Plan) (action.Result, error) {
	a.undone++
	return action.Result{Summary: "undone"}, nil
}

// fakePager counts what reaches people.
type fakePager struct {
	roles  map[string][]string
	answer func(channel string, n receiver.Notice) error
	sent   []sentPage
}

type sentPage struct {
	At      time.Time
	Channel string
	Notice  receiver.Notice
}

func (p *fakePager) Channels(role string) []string { return p.roles[role] }

func (p *fakePager) Send(_ context.Context, channel string, n receiver.Notice) error {
	p.sent = append(p.sent, sentPage{n.Now, channel, n})
	if p.answer != nil {
		return p.answer(channel, n)
	}
	return nil
}

// log lists what was sent as "+minutes:seconds channel kind".
func (p *fakePager) log() (list []string) {
	for _, s := range p.sent {
		line := fmt.Sprintf("+%s %s %s", s.At.Sub(begin).Truncate(time.Second), s.Channel, s.Notice.Kind)
		if s.Notice.Repeated {
			line += " repeated"
		}
		list = append(list, line)
	}
	return list
}

// fakeAlertmanager knows alerts by their instance.
type fakeAlertmanager struct {
	state map[string]guard.LiveState
	err   error
}

func (a *fakeAlertmanager) set(labels map[string]string, s guard.LiveState) {
	a.state[incident.Describe(labels)] = s
}

func (a *fakeAlertmanager) clear() {
	for k := range a.state {
		a.state[k] = guard.LiveAbsent
	}
}

func (a *fakeAlertmanager) Lookup(_ context.Context, _ string, labels map[string]string) (guard.LiveState, error) {
	if a.err != nil {
		return "", a.err
	}
	if s, ok := a.state[incident.Describe(labels)]; ok {
		return s, nil
	}
	return guard.LiveAbsent, nil
}
