package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/incident"
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

func (c *manualClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var begin = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

// fakeAction plans what it is told to.
type fakeAction struct {
	templated bool
	planErr   error
	data      string
}

func (a *fakeAction) Spec() action.Spec {
	return action.Spec{Name: "fake.fix", Doc: "Fixes.", Privilege: "none", Idempotent: true, Params: []action.Param{
		{Name: "args", Doc: "what to say", Kind: action.Strings, Required: true, Template: a.templated},
		{Name: "patterns", Doc: "of labels", Kind: action.Map},
	}}
}

func (a *fakeAction) Resource(p action.Params) (string, error) {
	if p.Strings("args")[0] == "forbidden" {
		return "", errors.New("forbidden is not allow-listed")
	}
	return "fake/" + p.Strings("args")[0], nil
}

func (a *fakeAction) Plan(_ context.Context, p action.Params) (receiver.Plan, error) {
	if a.planErr != nil {
		return receiver.Plan{}, a.planErr
	}
	return receiver.Plan{
		Params: p, Summary: "Say " + strings.Join(p.Strings("args"), " "), Steps: []string{"say it"}, Data: json.RawMessage(a.data),
	}, nil
}

func (a *fakeAction) Apply(context.Context, receiver.Plan) (action.Result, error) {
	return action.Result{}, errors.New("the API must never act")
}

func (a *fakeAction) Verify(context.Context, receiver.Plan) error {
	return errors.New("the API must never verify")
}

type apiStore struct{ *store.DB }

func (s apiStore) Update(ctx context.Context, fn func(api.Tx) error) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s apiStore) View(ctx context.Context, fn func(api.Tx) error) error {
	return s.DB.View(ctx, func(tx *store.Tx) error { return fn(tx) })
}

const (
	viewerToken   = "viewer-token-0123456789"
	operatorToken = "alices-token-0123456789"
	sourceToken   = "source-token-0123456789"
)

// world is the API over a real store.
type world struct {
	t       *testing.T
	clock   *manualClock
	db      *store.DB
	set     *policy.Set
	fix     *fakeAction
	auth    *api.Auth
	mux     *http.ServeMux
	guarded bool
	stop    string
	woken   int
	own     string // the generated operator token
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, clock: &manualClock{now: begin}, fix: &fakeAction{data: `{"n":1}`}, set: testSet(), guarded: true}
	var err error
	if w.db, err = store.Open(t.Context(), store.Options{Dir: dir, Clock: w.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
	})
	w.update(func(tx *store.Tx) error { _, err := tx.Resume(""); return err })
	file, err := api.EnsureOperatorToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	if w.own, err = api.ReadToken(file); err != nil {
		t.Fatal(err)
	}
	w.auth, err = api.NewAuth(api.AuthOptions{
		Credentials: api.Credentials{
			Tokens: []api.TokenConfig{
				{Name: "wall", Role: api.RoleViewer, Token: viewerToken},
				{Name: "alice", Role: api.RoleOperator, Token: operatorToken},
			},
			Sources: []api.SourceConfig{{Name: "prod", Token: sourceToken}},
		},
		OperatorFile: file, Guarded: func() bool { return w.guarded }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.mux = http.NewServeMux()
	api.New(api.Options{
		Store: apiStore{w.db}, Auth: w.auth, Policies: func() *policy.Set { return w.set }, Actions: action.NewRegistry(w.fix),
		StopFile: func() (string, error) { return w.stop, nil }, Wake: func() { w.woken++ }, Logger: slog.New(slog.DiscardHandler), Zone: time.UTC,
	}).Register(w.mux)
	return w
}

func testSet() *policy.Set {
	match, err := policy.ParseMatchers([]string{`alertname="ApiDown"`})
	if err != nil {
		panic(err)
	}
	p1 := receiver.P1
	return &policy.Set{
		Mode: receiver.ModeApprove,
		Policies: []policy.Policy{{
			Name: "api-down", Match: match, Priority: &p1, Mode: receiver.ModeAuto, Escalate: policy.DefaultLadder, MaxAge: model.Duration(time.Hour),
			Repair: []policy.Step{{Action: "fake.fix", With: map[string]any{"args": []any{"hello"}}, Timeout: model.Duration(time.Minute)}},
		}},
		Ladders: policy.Ladders{policy.DefaultLadder: {{Level: 1, Timeout: policy.Minutes(15 * time.Minute), Contacts: []string{"oncall"}}}},
		AckFor:  4 * time.Hour,
	}
}

func (w *world) update(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

// fire opens an incident with one alert and a waiting attempt, and returns their ids.
func (w *world) fire(labels map[string]string) (id, attempt int64) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		a := receiver.Alert{Source: "prod", Key: receiver.AlertKey(labels, nil), Firing: true, Labels: labels, StartsAt: begin}
		if _, err := incident.Fire(tx, w.set, receiver.Group{Source: "prod", Receiver: "chronoops", Labels: labels}, a); err != nil {
			return err
		}
		e, _, err := tx.OpenEpisode("prod", a.Key)
		if err != nil {
			return err
		}
		id = e.Incident
		open, _, err := tx.OpenAttempt(e.ID)
		attempt = open.ID
		return err
	})
	return id, attempt
}

// propose makes an attempt wait for approval, as the engine does, and returns the hash of its plan.
func (w *world) propose(attempt int64) (hash string) {
	w.t.Helper()
	w.update(func(tx *store.Tx) error {
		a, err := tx.Attempt(attempt)
		if err != nil {
			return err
		}
		a.Plan = &receiver.Plan{Action: a.Action, Resource: "fake/hello", Summary: "Say hello", Steps: []string{"say it"}, Data: json.RawMessage(`{"n":1}`)}
		a.State, a.Due = receiver.AttemptProposed, tx.Now().Add(time.Hour)
		hash = a.Plan.Hash()
		return tx.SaveAttempt(a)
	})
	return hash
}

func (w *world) attempt(id int64) (a receiver.Attempt) {
	w.t.Helper()
	w.update(func(tx *store.Tx) (err error) { a, err = tx.Attempt(id); return err })
	return a
}

func (w *world) timeline(id int64) string {
	w.t.Helper()
	var b strings.Builder
	w.update(func(tx *store.Tx) error {
		events, err := tx.Events(id)
		for _, e := range events {
			fmt.Fprintf(&b, "%s|%s|%s\n", e.Kind, e.Actor, e.Text)
		}
		return err
	})
	return b.String()
}

// do sends a request from another machine with a bearer token.
func (w *world) do(method, path, token, body string) *httptest.ResponseRecorder {
	w.t.Helper()
	var send io.Reader
	if body != "" {
		send = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, send)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return rec
}

// ok expects success and decodes the data.
func ok[T any](w *world, method, path, token, body string) (data T) {
	w.t.Helper()
	rec := w.do(method, path, token, body)
	var answer api.Answer
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		w.t.Fatalf("%s %s: %v in %s", method, path, err, rec.Body)
	}
	if rec.Code != http.StatusOK || answer.Status != "success" {
		w.t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
	if err := json.Unmarshal(answer.Data, &data); err != nil {
		w.t.Fatalf("%s %s: %v in %s", method, path, err, answer.Data)
	}
	return data
}

// refused expects an error with a status, a code, and words in its sentence.
func (w *world) refused(method, path, token, body string, status int, code, words string) {
	w.t.Helper()
	rec := w.do(method, path, token, body)
	var answer api.Answer
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		w.t.Fatalf("%s %s: %v in %s", method, path, err, rec.Body)
	}
	if rec.Code != status || answer.Status != "error" || answer.Code != code || !strings.Contains(answer.Error, words) {
		w.t.Errorf("%s %s %s: got %d %s %q, want %d %s with %q", method, path, body, rec.Code, answer.Code, answer.Error, status, code, words)
	}
}

func labels(instance string) map[string]string {
	return map[string]string{"alertname": "ApiDown", "instance": instance, "severity": "critical"}
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
