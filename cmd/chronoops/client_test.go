package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/engine"
	"github.com/chronoops/chronoops/receiver/guard"
	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/policy"
	"github.com/chronoops/chronoops/receiver/store"
)

func TestMain(m *testing.M) {
	// Tests of whole programs mostly wait for them.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	// Not in the programs that tests run, which are this one under another name.
	inherited := []string{"DATABASE_URL", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE", "REDIS_URL", "API_URL", "STATE_DIRECTORY", "NOTIFY_SOCKET"}
	for _, name := range inherited {
		if filepath.Base(os.Args[0]) == "chronoops" {
			break
		}
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	testscript.Main(m, map[string]func(){"chronoops": main})
}

// TestClient runs the commands that talk to a server against one with a real store and engine.
func TestClient(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "client"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			s, err := startTestServer(env.WorkDir)
			if err != nil {
				return err
			}
			env.Defer(s.stop)
			env.Values["server"] = s
			for name, value := range map[string]string{
				"CHRONOOPS_URL": s.http.URL, "STATE_DIRECTORY": s.storage, "SUDO_USER": "bob", "TZ": "UTC", "VIEWER": s.viewer,
			} {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "fire": fire, "await": await},
	})
}

// exits runs a program and compares its exit code: exits CODE PROGRAM ARGUMENT...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("run %v: %v", args[1:], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// fire opens an episode: fire NAME LABEL=VALUE... Values are in Go's quotes without the quotation marks.
func fire(ts *testscript.TestScript, _ bool, args []string) {
	labels := map[string]string{"alertname": args[0]}
	for _, pair := range args[1:] {
		name, value, _ := strings.Cut(pair, "=")
		value, err := strconv.Unquote(`"` + value + `"`)
		ts.Check(err)
		labels[name] = value
	}
	ts.Check(ts.Value("server").(*testServer).fire(labels))
}

// await waits for the state of an attempt: await ATTEMPT STATE.
func await(ts *testscript.TestScript, _ bool, args []string) {
	id, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	s := ts.Value("server").(*testServer)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var a receiver.Attempt
		ts.Check(s.db.View(context.Background(), func(tx *store.Tx) (err error) { a, err = tx.Attempt(id); return err }))
		if string(a.State) == args[1] {
			return
		}
		if a.State.Final() || time.Now().After(deadline) {
			ts.Fatalf("attempt %d is %s (%s), want %s", id, a.State, a.Reason, args[1])
		}
	}
}

// testServer is a receiver with fakes for what lies outside.
type testServer struct {
	http    *httptest.Server
	db      *store.DB
	set     *policy.Set
	engine  *engine.Engine
	storage string
	viewer  string // token file
	stop    func()
}

func startTestServer(dir string) (*testServer, error) {
	s := &testServer{storage: filepath.Join(dir, "state"), viewer: filepath.Join(dir, "viewer.token"), set: testPolicies()}
	if err := os.WriteFile(s.viewer, []byte("viewer-token-0123456789\n"), 0o600); err != nil {
		return nil, err
	}
	clock := receiver.NewSystemClock()
	var err error
	if s.db, err = store.Open(context.Background(), store.Options{Dir: s.storage, Clock: clock}); err != nil {
		return nil, err
	}
	operator, err := api.EnsureOperatorToken(s.storage)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	auth, err := api.NewAuth(api.AuthOptions{
		Credentials:  api.Credentials{Tokens: []api.TokenConfig{{Name: "wall", Role: api.RoleViewer, TokenFile: s.viewer}}},
		OperatorFile: operator, Guarded: func() bool { return true }, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	outside := &outside{}
	actions := action.NewRegistry(outside)
	policies := func() *policy.Set { return s.set }
	s.engine = engine.New(engine.Options{
		Owner: "test", Store: engineStore{s.db}, Clock: clock, Policies: policies, Actions: actions, Pager: outside, Alertmanager: outside, Prover: outside,
		StopFile: stopFile(s.storage), Link: func(int64) string { return "" }, Metrics: engine.NewMetrics(prometheus.NewRegistry()), Logger: log,
	})
	mux := http.NewServeMux()
	api.New(api.Options{
		Store: apiStore{s.db}, Auth: auth, Policies: policies, Actions: actions, StopFile: stopFile(s.storage), Wake: s.engine.Wake, Logger: log,
	}).Register(mux)
	s.http = httptest.NewServer(mux)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.engine.Run(ctx) }()
	s.stop = func() {
		s.http.Close()
		cancel()
		if err := errors.Join(<-done, s.db.Close()); err != nil {
			panic(err)
		}
	}
	return s, nil
}

// testPolicies has one policy for each way a run can go; their names say which.
func testPolicies() *policy.Set {
	set := &policy.Set{Mode: receiver.ModeAuto, AckFor: 4 * time.Hour, Recheck: 20 * time.Millisecond, ApprovalFor: time.Hour, MaxBody: 1 << 20, Ladders: policy.Ladders{policy.DefaultLadder: {
		{Level: 1, Timeout: policy.Minutes(15 * time.Minute), Contacts: []string{"oncall"}},
	}}}
	add := func(name, alert string, mode receiver.Mode, args ...any) {
		match, err := policy.ParseMatchers([]string{"alertname=" + strconv.Quote(alert)})
		if err != nil {
			panic(err)
		}
		set.Policies = append(set.Policies, policy.Policy{
			Name: name, Match: match, Mode: mode, Escalate: policy.DefaultLadder, MaxAge: model.Duration(time.Hour),
			Repair: []policy.Step{{
				Action: "fake.fix", With: map[string]any{"args": args, "patterns": map[string]any{"name": "[a-z]+"}},
				MaxAttempts: 1, MaxPerDay: 10, Timeout: model.Duration(time.Minute),
				Verify: policy.Verify{Within: model.Duration(300 * time.Millisecond), Interval: model.Duration(10 * time.Millisecond)},
			}},
		})
	}
	add("works", "Works", receiver.ModeApprove, "works")
	add("fails", "Fails", receiver.ModeShadow, "fails")
	add("changes", "Changes", receiver.ModeShadow, "changes")
	add("idle", "Idle", receiver.ModeShadow, "idle")
	return set
}

func (s *testServer) fire(labels map[string]string) error {
	defer s.engine.Wake()
	return s.db.Update(context.Background(), func(tx *store.Tx) error {
		a := receiver.Alert{Source: "prod", Key: receiver.AlertKey(labels, nil), Firing: true, Labels: labels, StartsAt: tx.Now(), Annotations: map[string]string{"summary": labels["note"]}}
		_, err := incident.Fire(tx, s.set, receiver.Group{Source: "prod", Receiver: "chronoops", Labels: labels}, a)
		return err
	})
}

// outside is the world as the engine sees it: one action, Alertmanager, a pager without anybody.
type outside struct {
	mu    sync.Mutex
	plans int
	fixed bool
}

func (o *outside) Spec() action.Spec {
	return action.Spec{Name: "fake.fix", Doc: "Fixes what it is told to.", Privilege: "nothing", Params: []action.Param{
		{Name: "args", Doc: "what to fix", Kind: action.Strings, Required: true, Template: true}, {Name: "patterns", Doc: "of labels", Kind: action.Map},
	}}
}

func (o *outside) Resource(p action.Params) (string, error) {
	return "fake/" + p.Strings("args")[0], nil
}

func (o *outside) Plan(_ context.Context, p action.Params) (receiver.Plan, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.plans++
	plan := receiver.Plan{Params: p, Summary: "Fix " + p.Strings("args")[0], Steps: []string{"fix it"}, Data: json.RawMessage("0")}
	switch p.Strings("args")[0] {
	case "idle":
		return plan, fmt.Errorf("%w: it runs", action.ErrNothingToDo)
	case "changes":
		plan.Data = json.RawMessage(strconv.Itoa(o.plans))
	}
	return plan, nil
}

func (o *outside) Apply(_ context.Context, p receiver.Plan) (action.Result, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fixed = true
	return action.Result{Summary: "fixed " + p.Resource}, nil
}

func (o *outside) Verify(_ context.Context, p receiver.Plan) error {
	if slices.Contains(action.Params(p.Params).Strings("args"), "fails") {
		return errors.New("it is still broken")
	}
	return nil
}

func (o *outside) Lookup(context.Context, string, map[string]string) (guard.LiveState, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fixed {
		return guard.LiveAbsent, nil
	}
	return guard.LiveActive, nil
}

func (o *outside) Prove(context.Context, policy.Verify) error { return nil }

func (o *outside) Channels(string) []string { return nil }

func (o *outside) Send(context.Context, string, receiver.Notice) error {
	return errors.New("nobody is there")
}

// A token goes only to the server that it is meant for.
func TestTokenGoesNowhereElse(t *testing.T) {
	dir := t.TempDir()
	if _, err := api.EnsureOperatorToken(dir); err != nil {
		t.Fatal(err)
	}
	ask := func(address string) (string, error, error) {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return (&client{url: u, storage: dir}).token()
	}
	for _, address := range []string{"http://127.0.0.1:9847", "http://localhost:9847", "http://[::1]:9847"} {
		if token, _, err := ask(address); token == "" || err != nil {
			t.Errorf("%s gets %q, %v", address, token, err)
		}
	}
	for _, address := range []string{"http://192.0.2.7:9847", "https://chronoops.example", "http://127.0.0.1.example:9847", "http://localhost.example"} {
		if token, why, err := ask(address); token != "" || why == nil || err != nil {
			t.Errorf("%s gets %q, %v, %v", address, token, why, err)
		}
	}

	var stolen []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		stolen = append(stolen, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&client{url: u, storage: dir}).call(t.Context(), http.MethodPost, "api/v1/resume", api.ResumeRequest{}, nil); err == nil {
		t.Error("a redirect counts as success")
	}
	if len(stolen) > 0 {
		t.Errorf("a redirect was followed with %q", stolen)
	}
}

func TestJSONIsHarmlessAndTheSame(t *testing.T) {
	for _, s := range []string{"plain", "运维", "\u009b2J", "\u202e", "\x7f", "\U000e0041", "\x1b[2J", "a\nb"} {
		raw, err := json.Marshal(map[string]string{"v": s})
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := writeJSON(&out, raw); err != nil {
			t.Fatal(err)
		}
		if shown := strings.ReplaceAll(out.String(), "\n", ""); api.Visible(shown) != shown {
			t.Errorf("%q is shown as %q", s, shown)
		}
		var back map[string]string
		if err := json.Unmarshal([]byte(out.String()), &back); err != nil || back["v"] != s {
			t.Errorf("%q comes back as %q: %v", s, back["v"], err)
		}
	}
}
