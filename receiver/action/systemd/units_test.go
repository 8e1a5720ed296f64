package systemd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/action/actiontest"
)

// manager is a systemd of one unit in memory.
type manager struct {
	mu      sync.Mutex
	state   map[string]any
	starts  byte
	jobs    []string
	jobErr  error
	result  string // of jobs; "" means done
	hung    bool
	connErr error
}

func newManager(active string) *manager {
	m := &manager{state: map[string]any{
		"LoadState": "loaded", "ActiveState": active, "SubState": "dead", "Type": "simple", "Result": "success",
		"MainPID": uint32(0), "NRestarts": uint32(0), "InvocationID": []byte{}, "Job": []any{uint32(0), "/"},
		"ActiveEnterTimestampMonotonic": uint64(0), "RefuseManualStart": false, "RefuseManualStop": false,
	}}
	if active == "active" {
		m.start()
	}
	return m
}

func (m *manager) start() {
	m.starts++
	m.set("ActiveState", "active", "SubState", "running", "MainPID", 1000+uint32(m.starts), "NRestarts", uint32(0),
		"InvocationID", []byte{0xab, m.starts}, "ActiveEnterTimestampMonotonic", uint64(uptime().Microseconds()))
}

func (m *manager) set(pairs ...any) {
	for i := 0; i < len(pairs); i += 2 {
		m.state[pairs[i].(string)] = pairs[i+1]
	}
}

func (m *manager) connect(context.Context) (Conn, error) { return m, m.connErr }

func (m *manager) Close() {}

func (m *manager) Properties(ctx context.Context, _ string) (map[string]any, error) {
	if m.hung {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.state), nil
}

func (m *manager) Job(_ context.Context, verb, unit string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.jobErr != nil {
		return "", m.jobErr
	}
	m.jobs = append(m.jobs, verb+" "+unit)
	if m.result != "" {
		return m.result, nil
	}
	if verb == "stop" {
		m.set("ActiveState", "inactive", "SubState", "dead", "MainPID", uint32(0))
	} else {
		m.start()
	}
	return "done", nil
}

func (m *manager) action(verb string) *Unit {
	for _, a := range New(Options{Units: []string{"web.service", "web@.service", "poweroff.service", "dbus.service"}, Connect: m.connect}) {
		if u := a.(*Unit); u.verb == verb {
			return u
		}
	}
	return nil
}

func with(verb string) map[string]any {
	w := map[string]any{"unit": "web.service"}
	if verb != "stop" {
		w["stable_for"] = "1ms"
	}
	return w
}

func planFor(t *testing.T, u *Unit) (receiver.Plan, error) {
	t.Helper()
	p, err := u.Spec().Resolve(with(u.verb), nil)
	if err != nil {
		t.Fatal(err)
	}
	return u.Plan(t.Context(), p)
}

func mustPlan(t *testing.T, u *Unit) receiver.Plan {
	t.Helper()
	plan, err := planFor(t, u)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestConformance(t *testing.T) {
	for verb, from := range map[string]string{"restart": "active", "start": "inactive", "stop": "active"} {
		t.Run(verb, func(t *testing.T) {
			bench := func(m *manager) actiontest.Bench {
				return actiontest.Bench{
					Action: m.action(verb), With: with(verb),
					State: func(testing.TB) string { return fmt.Sprint(m.state) },
				}
			}
			actiontest.Suite{
				New: func(*testing.T) actiontest.Bench { return bench(newManager(from)) },
				Hung: func(*testing.T) actiontest.Bench {
					m := newManager(from)
					m.hung = true
					return bench(m)
				},
				Broken: func(*testing.T) actiontest.Bench {
					m := newManager(from)
					m.connErr = errors.New("connection refused")
					return bench(m)
				},
				Refused: map[string]actiontest.Refusal{
					"no unit":       {Change: map[string]any{"unit": nil}, Want: `"unit" is missing`},
					"unlisted":      {Change: map[string]any{"unit": "ssh.service"}, Want: "ssh.service is not configured"},
					"no suffix":     {Change: map[string]any{"unit": "web"}, Want: "does not match"},
					"target":        {Change: map[string]any{"unit": "reboot.target"}, Want: "does not match"},
					"path":          {Change: map[string]any{"unit": "/etc/web.service"}, Want: "does not match"},
					"two units":     {Change: map[string]any{"unit": "a.service b.service"}, Want: "does not match"},
					"label as unit": {Change: map[string]any{"unit": "{{ .Labels.unit }}.service"}, Want: "templates are not allowed"},
					"template unit": {Change: map[string]any{"unit": "web@.service"}, Want: "is a template"},
					"power off":     {Change: map[string]any{"unit": "poweroff.service"}, Want: "is protected"},
					"bus":           {Change: map[string]any{"unit": "dbus.service"}, Want: "is protected"},
				},
			}.Run(t)
		})
	}
}

func TestPlanRefusesByState(t *testing.T) {
	for _, tc := range []struct {
		verb  string
		state []any
		want  string // "" means planned
	}{
		{"restart", []any{"LoadState", "not-found"}, "does not exist"},
		{"restart", []any{"LoadState", "masked"}, "is masked"},
		{"restart", []any{"ActiveState", "failed", "Result", "exit-code"}, ""},
		{"restart", []any{"RefuseManualStart", true}, "not be operated by hand"},
		{"stop", []any{"RefuseManualStop", true}, "not be operated by hand"},
		{"start", nil, "nothing to do"},
		{"start", []any{"ActiveState", "activating"}, ""},
		{"stop", []any{"ActiveState", "failed"}, "nothing to do"},
		{"stop", []any{"LoadState", ""}, "does not tell"},
	} {
		m := newManager("active")
		m.set(tc.state...)
		_, err := planFor(t, m.action(tc.verb))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s with %v: %v, want %q", tc.verb, tc.state, err, tc.want)
		}
	}
}

func TestFlappingUnitKeepsItsPlan(t *testing.T) {
	m := newManager("active")
	m.set("NRestarts", uint32(3))
	u := m.action("restart")
	plan := mustPlan(t, u)
	if want := "restart web.service, which is active (running), main process 1001, restarted 3 times by systemd"; plan.Summary != want {
		t.Errorf("summary %q, want %q", plan.Summary, want)
	}
	m.set("NRestarts", uint32(4), "InvocationID", []byte{0xcd}, "ActiveState", "activating", "SubState", "auto-restart")
	if again := mustPlan(t, u); again.Hash() != plan.Hash() {
		t.Error("the plan changes with each crash, so that nobody can approve it")
	}
	if _, err := u.Apply(t.Context(), plan); err != nil {
		t.Error(err)
	}
}

func TestApplyRefusesWhatSomebodyHasDone(t *testing.T) {
	m := newManager("active")
	u := m.action("restart")
	plan := mustPlan(t, u)
	m.start() // by hand
	if _, err := u.Apply(t.Context(), plan); !errors.Is(err, action.ErrNotApplied) || !strings.Contains(err.Error(), "started by someone") {
		t.Errorf("apply: %v", err)
	}
	if len(m.jobs) != 0 {
		t.Errorf("jobs %q", m.jobs)
	}
}

func TestJobResults(t *testing.T) {
	for name, tc := range map[string]struct {
		result     string
		err        error
		want       string
		notApplied bool
		unknown    bool
	}{
		"failed":     {"failed", nil, `ended with "failed": see journalctl`, false, false},
		"cancelled":  {"canceled", nil, `"canceled"`, false, false},
		"refused":    {"", fmt.Errorf("%w: denied", action.ErrNotApplied), "denied", true, false},
		"no outcome": {"", context.DeadlineExceeded, "how the job for web.service ended", false, true},
	} {
		m := newManager("active")
		m.result, m.jobErr = tc.result, tc.err
		u := m.action("restart")
		_, err := u.Apply(t.Context(), mustPlan(t, u))
		if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, action.ErrNotApplied) != tc.notApplied || errors.Is(err, action.ErrUnknown) != tc.unknown {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerify(t *testing.T) {
	since := func(seconds uint64) uint64 { return 1_000_000_000 - seconds*1_000_000 }
	for name, tc := range map[string]struct {
		verb  string
		state []any
		want  string // "" means verified
	}{
		"restarted, stable":     {"restart", []any{"ActiveEnterTimestampMonotonic", since(60)}, ""},
		"restarted just now":    {"restart", []any{"ActiveEnterTimestampMonotonic", since(5)}, "for 5s only, want 10s"},
		"in auto-restart":       {"restart", []any{"ActiveState", "activating", "SubState", "auto-restart", "NRestarts", uint32(2)}, "activating (auto-restart)"},
		"failed again":          {"restart", []any{"ActiveState", "failed", "SubState", "failed", "Result", "exit-code"}, "result exit-code"},
		"job pending":           {"restart", []any{"Job", []any{uint32(7), "/job/7"}, "ActiveEnterTimestampMonotonic", since(60)}, "still waiting"},
		"oneshot has succeeded": {"start", []any{"Type", "oneshot", "ActiveState", "inactive"}, ""},
		"oneshot has failed":    {"start", []any{"Type", "oneshot", "ActiveState", "failed", "Result", "exit-code"}, "failed"},
		"stopped":               {"stop", []any{"ActiveState", "inactive"}, ""},
		"not stopped":           {"stop", nil, "active (running)"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager("active")
			if tc.verb == "start" {
				m = newManager("inactive")
			}
			u := m.action(tc.verb)
			plan := mustPlan(t, u)
			if tc.verb != "stop" {
				plan.Params["stable_for"] = "10s"
				m.start()
			}
			m.set(tc.state...)
			u.uptime = func() time.Duration { return 1000 * time.Second }
			err := u.Verify(t.Context(), plan)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || errors.Is(err, action.ErrUnknown) || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("verify: %v, want %q", err, tc.want)
			}
		})
	}
}

func TestInspect(t *testing.T) {
	for _, tc := range []struct {
		verb, from string
		change     func(*manager)
		want       action.Effect
	}{
		{"restart", "active", func(*manager) {}, action.EffectNotApplied},
		{"restart", "active", (*manager).start, action.EffectApplied},
		{"restart", "active", func(m *manager) { m.set("Job", []any{uint32(1), "/"}) }, action.EffectUnknown},
		{"restart", "active", func(m *manager) { m.start(); m.set("NRestarts", uint32(1)) }, action.EffectUnknown},
		{"restart", "inactive", (*manager).start, action.EffectApplied},
		{"restart", "inactive", func(*manager) {}, action.EffectUnknown},
		{"start", "inactive", func(*manager) {}, action.EffectNotApplied},
		{"start", "inactive", (*manager).start, action.EffectApplied},
		{"start", "inactive", func(m *manager) { m.start(); m.set("ActiveState", "failed") }, action.EffectUnknown},
		{"stop", "active", func(*manager) {}, action.EffectNotApplied},
		{"stop", "active", func(m *manager) { m.set("ActiveState", "inactive") }, action.EffectApplied},
		{"stop", "active", func(m *manager) { m.set("ActiveState", "deactivating") }, action.EffectUnknown},
		{"stop", "active", (*manager).start, action.EffectUnknown},
	} {
		m := newManager(tc.from)
		u := m.action(tc.verb)
		plan := mustPlan(t, u)
		tc.change(m)
		if got, err := u.Inspect(t.Context(), plan); got != tc.want || err != nil {
			t.Errorf("%s from %s, now %v: %v, %v, want %v", tc.verb, tc.from, m.state["ActiveState"], got, err, tc.want)
		}
	}
}
