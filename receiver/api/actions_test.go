package api_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/policy"
)

func TestActionsAreListed(t *testing.T) {
	w := newWorld(t)
	w.fix.templated = true
	p := &w.set.Policies[0]
	p.Repair = append(p.Repair, policy.Step{
		Action: "fake.fix", With: map[string]any{"args": []any{"hello", "{{ .Labels.name }}"}, "patterns": map[string]any{"name": "[a-z]+"}},
	}, policy.Step{Action: "fake.fix", With: map[string]any{"args": []any{"forbidden"}}})
	got := ok[api.Actions](w, "GET", "/api/v1/actions", viewerToken, "")
	if len(got.Kinds) != 1 || got.Kinds[0].Name != "fake.fix" || got.Kinds[0].Params[0].Kind != "strings" || !got.Kinds[0].Params[0].Required || !got.Kinds[0].Idempotent {
		t.Errorf("kinds: %+v", got.Kinds)
	}
	if len(got.Repairs) != 3 || got.Mode != receiver.ModeApprove {
		t.Fatalf("got %+v", got)
	}
	r := got.Repairs
	if r[0].Resource != "fake/hello" || r[0].Mode != receiver.ModeApprove || r[0].Steps != 3 || r[0].Policy != "api-down" {
		t.Errorf("first: %+v", r[0])
	}
	if r[1].Resource != "" || !strings.Contains(r[1].Note, "name") || r[1].Step != 1 {
		t.Errorf("with labels: %+v", r[1])
	}
	if r[2].Resource != "" || !strings.Contains(r[2].Note, "not allow-listed") {
		t.Errorf("forbidden: %+v", r[2])
	}
}

func TestPlan(t *testing.T) {
	w := newWorld(t)
	got := ok[api.Planned](w, "POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down","step":0}`)
	if got.Plan == nil || got.Plan.Action != "fake.fix" || got.Plan.Resource != "fake/hello" || !got.Plan.Made.Equal(begin) || got.Hash != got.Plan.Hash() || got.Hash == "" {
		t.Errorf("got %+v", got)
	}
	if list := ok[[]api.Attempt](w, "GET", "/api/v1/attempts", viewerToken, ""); len(list) != 0 || w.woken != 0 {
		t.Errorf("planning left something behind: %+v", list)
	}
	w.refused("POST", "/api/v1/actions/plan", operatorToken, `{"policy":"other"}`, 404, "not_found", "want one of api-down")
	w.refused("POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down","step":1}`, 404, "not_found", "1 repair steps")
	w.refused("POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down","step":-1}`, 404, "not_found", "no step -1")
	w.refused("POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down","stp":1}`, 400, "bad_request", "unknown field")
	w.fix.planErr = errors.New("connection refused")
	w.refused("POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down"}`, 502, "plan", "connection refused")
	w.fix.planErr = fmt.Errorf("%w: it runs", action.ErrNothingToDo)
	if got := ok[api.Planned](w, "POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down"}`); got.Plan != nil || got.Hash != "" || !strings.Contains(got.Text, "nothing to do") {
		t.Errorf("got %+v", got)
	}
	w.set.Policies[0].Repair[0].With["args"] = []any{"forbidden"}
	w.refused("POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down"}`, 422, "target", "not allow-listed")
	w.set.Policies[0].Repair[0].Action = "other.fix"
	w.refused("POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down"}`, 422, "action", "not known")
}

// Labels of a person are held to the same patterns as an alert's.
func TestPlanWithLabels(t *testing.T) {
	w := newWorld(t)
	w.fix.templated = true
	w.set.Policies[0].Repair[0].With = map[string]any{"args": []any{"hello", "{{ .Labels.name }}"}, "patterns": map[string]any{"name": "[a-z/.]+"}}
	got := ok[api.Planned](w, "POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down","labels":{"name":"bob"}}`)
	if got.Plan == nil || got.Plan.Summary != "Say hello bob" {
		t.Errorf("got %+v", got)
	}
	for _, bad := range []string{``, `"name":""`, `"name":"-rf"`, `"name":"../etc"`, `"name":"Bob"`, `"name":"bob\nbob"`} {
		w.refused("POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down","labels":{`+bad+`}}`, 422, "parameters", "do not fit")
		w.refused("POST", "/api/v1/actions/run", operatorToken, `{"policy":"api-down","hash":"`+strings.Repeat("0", 64)+`","labels":{`+bad+`}}`, 422, "parameters", "do not fit")
	}
}

func TestRun(t *testing.T) {
	w := newWorld(t)
	planned := ok[api.Planned](w, "POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down"}`)
	body := fmt.Sprintf(`{"policy":"api-down","hash":%q,"by":"bob"}`, planned.Hash)
	got := ok[api.Started](w, "POST", "/api/v1/actions/run", operatorToken, body)
	if !got.Done || got.Attempt == 0 || w.woken != 1 {
		t.Fatalf("got %+v, woken %d", got, w.woken)
	}
	want := receiver.Attempt{
		ID: got.Attempt, Policy: "api-down", Priority: receiver.P1, Action: "fake.fix", Resource: "fake/hello", Params: map[string]any{"args": []any{"hello"}},
		Mode: receiver.ModeAuto, State: receiver.AttemptWaiting, By: "bob (token alice)", Approval: planned.Hash, Created: begin, Due: begin,
	}
	a := w.attempt(got.Attempt)
	if a.Plan == nil || a.Plan.Hash() != planned.Hash {
		t.Errorf("the plan that was shown is not kept: %+v", a.Plan)
	}
	a.Lease, a.Plan = receiver.Lease{}, nil
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	if shown := ok[api.Attempt](w, "GET", fmt.Sprintf("/api/v1/attempts/%d", got.Attempt), viewerToken, ""); shown.By != "bob (token alice)" {
		t.Errorf("shown: %+v", shown)
	}
	if again := ok[api.Started](w, "POST", "/api/v1/actions/run", operatorToken, body); again.Done || again.Attempt != got.Attempt || w.woken != 1 {
		t.Errorf("asked twice: %+v", again)
	}
	w.refused("POST", "/api/v1/actions/run", operatorToken, `{"policy":"api-down"}`, 400, "bad_request", "plan first")
	w.refused("POST", "/api/v1/actions/run", operatorToken, `{"policy":"other","hash":"`+planned.Hash+`"}`, 404, "not_found", "no policy")
	if list := ok[[]api.Attempt](w, "GET", "/api/v1/attempts?limit=5", viewerToken, ""); len(list) != 1 {
		t.Errorf("attempts: %+v", list)
	}
}

// A plan that was shown long ago, or never, is left to the engine, which makes it again and compares.
func TestRunOfAPlanThatIsForgotten(t *testing.T) {
	w := newWorld(t)
	run := func(hash string) receiver.Attempt {
		t.Helper()
		return w.attempt(ok[api.Started](w, "POST", "/api/v1/actions/run", operatorToken, fmt.Sprintf(`{"policy":"api-down","hash":%q}`, hash)).Attempt)
	}
	plan := func(data string) string {
		t.Helper()
		w.fix.data = data
		return ok[api.Planned](w, "POST", "/api/v1/actions/plan", operatorToken, `{"policy":"api-down"}`).Hash
	}
	if a := run(strings.Repeat("0", 64)); a.Plan != nil || a.Approval != strings.Repeat("0", 64) {
		t.Errorf("never shown: %+v", a)
	}
	old := plan("1")
	w.clock.add(15 * time.Minute)
	if a := run(old); a.Plan != nil {
		t.Errorf("too old: %+v", a)
	}
	first := plan("2")
	for n := range 50 {
		plan(strconv.Itoa(10 + n))
	}
	if a := run(first); a.Plan != nil {
		t.Errorf("more are remembered than there is room for: %+v", a)
	}
	if a := run(plan("3")); a.Plan == nil || string(a.Plan.Data) != "3" {
		t.Errorf("just shown: %+v", a)
	}
}
