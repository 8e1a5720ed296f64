package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/engine"
	"github.com/chronoops/chronoops/receiver/guard"
	"github.com/chronoops/chronoops/receiver/intake"
	"github.com/chronoops/chronoops/receiver/policy"
	"github.com/chronoops/chronoops/receiver/store"
)

// The crash test runs one repair in a child process that kills itself with SIGKILL at its n-th call of the store, the
// action or the pager, before and after each in turn. A second child then carries on. What happened is read from a file
// that the fakes write, not from the store.
const (
	crashDir  = "CHRONOOPS_TEST_CRASH_DIR"
	crashAt   = "CHRONOOPS_TEST_CRASH_AT"
	crashKind = "CHRONOOPS_TEST_CRASH_KIND"
)

// journal is the world outside: effects and pages, one line each, written with O_APPEND before the call returns.
type journal string

func (j journal) add(format string, args ...any) {
	f, err := os.OpenFile(filepath.Join(string(j), "journal"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := fmt.Fprintf(f, format+"\n", args...); err != nil {
		panic(err)
	}
}

func (j journal) lines(prefix string) (found []string) {
	b, err := os.ReadFile(filepath.Join(string(j), "journal"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		panic(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, prefix) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// killer counts calls and dies at one of them.
type killer struct{ at, calls int }

func (k *killer) point() {
	k.calls++
	if k.calls == k.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

type mortalStore struct {
	db   *store.DB
	kill *killer
}

func (s mortalStore) update(ctx context.Context, fn func(*store.Tx) error) error {
	err := s.db.Update(ctx, func(tx *store.Tx) error {
		err := fn(tx)
		s.kill.point() // all written, not committed
		return err
	})
	s.kill.point() // committed, the caller does not know
	return err
}

func (s mortalStore) Update(ctx context.Context, fn func(engine.Tx) error) error {
	return s.update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s mortalStore) View(ctx context.Context, fn func(engine.Tx) error) error {
	return s.db.View(ctx, func(tx *store.Tx) error { return fn(tx) })
}

type mortalIntake struct{ mortalStore }

func (s mortalIntake) Update(ctx context.Context, fn func(intake.Tx) error) error {
	return s.update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

// The kinds of repair that the child runs.
const (
	seeing = "seeing" // it works, and can tell after a crash whether it took effect
	blind  = "blind"  // it works, and cannot tell
	futile = "futile" // it changes nothing about the alert
)

// mortalAction has one effect outside.
type mortalAction struct {
	journal journal
	kill    *killer
	works   bool
}

func (mortalAction) Spec() action.Spec {
	return action.Spec{Name: "fake.fix", Doc: "a fake", Privilege: "none"}
}
func (mortalAction) Resource(action.Params) (string, error)      { return "fake/api", nil }
func (mortalAction) Verify(context.Context, receiver.Plan) error { return nil }

func (mortalAction) Plan(context.Context, action.Params) (receiver.Plan, error) {
	return receiver.Plan{Summary: "Fix the fake"}, nil
}

func (a mortalAction) Apply(context.Context, receiver.Plan) (action.Result, error) {
	a.kill.point()
	a.journal.add("effect")
	a.kill.point()
	return action.Result{Summary: "fixed"}, nil
}

type seeingAction struct{ mortalAction }

func (a seeingAction) Inspect(context.Context, receiver.Plan) (action.Effect, error) {
	if len(a.journal.lines("effect")) > 0 {
		return action.EffectApplied, nil
	}
	return action.EffectNotApplied, nil
}

type mortalPager struct {
	journal journal
	kill    *killer
}

func (mortalPager) Channels(role string) []string { return []string{role + "/email"} }

func (p mortalPager) Send(_ context.Context, channel string, n receiver.Notice) error {
	p.kill.point()
	p.journal.add("page %s %s %s repeated=%t", n.ID, n.Kind, channel, n.Repeated)
	p.kill.point()
	return nil
}

// journalAlertmanager has the alert active until the effect has happened.
type journalAlertmanager struct {
	journal journal
	works   bool
}

func (a journalAlertmanager) Lookup(context.Context, string, map[string]string) (guard.LiveState, error) {
	if a.works && len(a.journal.lines("effect")) > 0 {
		return guard.LiveAbsent, nil
	}
	return guard.LiveActive, nil
}

// TestCrashChild is the child of TestKillAtEveryCall.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return
	}
	at, err := strconv.Atoi(os.Getenv(crashAt))
	if err != nil {
		t.Fatal(err)
	}
	kill, j := &killer{at: at}, journal(dir)
	w := &world{t: t, clock: &manualClock{now: begin}, set: standardSet()}
	w.priority(receiver.P0)
	step := &w.set.Policies[0].Repair[0]
	if os.Getenv(crashKind) != futile {
		step.MaxAttempts = 3
	}
	step.Verify.Interval = step.Verify.HoldDown
	if w.db, err = store.Open(t.Context(), store.Options{Dir: dir, Clock: w.clock}); err != nil {
		t.Fatal(err)
	}
	w.update(func(tx *store.Tx) error { // the process before this one has been dead for a minute
		latest, err := tx.Latest()
		w.clock.set(latest.Add(time.Minute))
		return err
	})
	w.resume()
	w.am = &fakeAlertmanager{state: map[string]guard.LiveState{}}
	kind := os.Getenv(crashKind)
	mortalFix := mortalAction{journal: j, kill: kill, works: kind != futile}
	var fix action.Action = mortalFix
	if kind == seeing {
		fix = seeingAction{mortalFix}
	}
	mortal := mortalStore{w.db, kill}
	w.engine = engine.New(engine.Options{
		Owner: "child", Store: mortal, Clock: w.clock, Policies: func() *policy.Set { return w.set }, Actions: action.NewRegistry(fix),
		Pager: mortalPager{j, kill}, Alertmanager: journalAlertmanager{j, kind != futile}, Prover: proverFunc(func(policy.Verify) error { return nil }),
		StopFile: func() (string, error) { return "", nil }, Link: func(int64) string { return "" },
		Metrics: engine.NewMetrics(prometheus.NewRegistry()), Logger: discard(),
	})
	w.intake = intake.NewHandler(intake.Options{
		Store: mortalIntake{mortal}, Auth: anySource{}, Policies: func() *policy.Set { return w.set }, Timeout: 10 * time.Second,
		Rejected: noRejects{}, Metrics: intake.NewMetrics(prometheus.NewRegistry()), Logger: discard(), Committed: func() {},
	})
	// Alertmanager repeats a message until it has been taken.
	if len(j.lines("taken")) == 0 {
		if code := w.try("firing", api("a")); code != http.StatusOK {
			t.Fatalf("webhook answered %d", code)
		}
		j.add("taken")
	}
	if kind == futile {
		w.pass(3 * time.Minute) // long enough for the failure and its pages
	} else {
		w.pass(40 * time.Minute) // long enough for a second attempt after the cooldown
	}
	state, err := json.Marshal(map[string]any{"incident": w.incident(1), "attempts": states(w.attempts(1)), "calls": kill.calls})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), state, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
}

type crashResult struct {
	Incident receiver.Incident
	Attempts []receiver.AttemptState
	Calls    int
}

// runChild runs one life; killed tells how it ended.
func runChild(t *testing.T, dir, kind string, at int) (killed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashAt+"="+strconv.Itoa(at), crashKind+"="+kind)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	t.Fatalf("child at call %d: %v\n%s", at, err, out)
	return false
}

// Invariant 1 and the promise that no page is lost, with kill -9 before and after every store, effect and page call.
func TestKillAtEveryCall(t *testing.T) {
	for _, kind := range []string{seeing, blind, futile} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			points := 0
			for at := 1; ; at += stride {
				dir := t.TempDir()
				if !runChild(t, dir, kind, at) {
					break // the life was shorter than this call
				}
				points++
				if runChild(t, dir, kind, 0) {
					t.Fatalf("call %d: the second life was killed", at)
				}
				checkLives(t, kind, at, journal(dir))
			}
			if points*stride < 20 {
				t.Errorf("only %d points to die at: the scenario does not run", points)
			}
			t.Logf("died at each of %d calls", points)
		})
	}
}

func checkLives(t *testing.T, kind string, at int, j journal) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(string(j), "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r crashResult
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	effects := len(j.lines("effect"))
	if effects > 1 && kind != futile { // one attempt after another may try in vain, each with its own effect
		t.Errorf("call %d: %d effects for one cause", at, effects)
	}
	switch last := r.Attempts[len(r.Attempts)-1]; {
	case kind == seeing && (effects != 1 || r.Incident.Open() || last != receiver.AttemptVerified):
		t.Errorf("call %d: %d effects, attempts %v, open %t, want one effect, verified and resolved", at, effects, r.Attempts, r.Incident.Open())
	case !last.Final():
		t.Errorf("call %d: attempts %v, want an end", at, r.Attempts)
	case effects > len(r.Attempts):
		t.Errorf("call %d: %d effects of %d attempts", at, effects, len(r.Attempts))
	}
	pages := j.lines("page")
	sends := map[string]int{}
	for _, line := range pages {
		id := strings.Fields(line)[1]
		sends[id]++
		if sends[id] == 2 && !strings.HasSuffix(line, "repeated=true") {
			t.Errorf("call %d: a page was repeated without saying so: %s", at, line)
		}
		if sends[id] > 2 {
			t.Errorf("call %d: page %s was sent %d times", at, id, sends[id])
		}
	}
	// A page may be left out only when the repair has ended the incident before it could go out.
	if len(j.lines("page 1 firing")) == 0 && r.Incident.Open() {
		t.Errorf("call %d: the page was lost; journal %v", at, pages)
	}
}
