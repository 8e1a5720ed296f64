package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/policy"
)

func TestPauseAndResume(t *testing.T) {
	w := newWorld(t)
	id, _ := w.fire(labels("a"))
	if p := ok[api.Paused](w, "GET", "/api/v1/pause", viewerToken, ""); p.Pauses == nil || len(p.Pauses) != 0 || p.StopFile != "" {
		t.Errorf("got %+v", p)
	}
	got := ok[api.Outcome](w, "POST", "/api/v1/pause", operatorToken, `{"by":"bob","reason":"deploying"}`)
	if !got.Done || !strings.Contains(got.Text, "repairs of everything are paused until somebody resumes") {
		t.Errorf("got %+v", got)
	}
	ok[api.Outcome](w, "POST", "/api/v1/pause", operatorToken, `{"target":"fake/hello","for":"2h"}`)
	p := ok[api.Paused](w, "GET", "/api/v1/pause", viewerToken, "").Pauses
	if len(p) != 2 || p[0].By != "bob (token alice)" || p[0].Reason != "deploying" || !p[0].Until.IsZero() || p[1].Resource != "fake/hello" || !p[1].Until.Equal(begin.Add(2*time.Hour)) {
		t.Errorf("got %+v", p)
	}
	if !strings.Contains(w.timeline(id), "pause|bob (token alice)|repairs of everything are paused") {
		t.Errorf("timeline:\n%s", w.timeline(id))
	}
	got = ok[api.Outcome](w, "POST", "/api/v1/resume", operatorToken, `{"target":"fake/hello"}`)
	if !got.Done || !strings.Contains(got.Text, "still paused: everything") || w.woken != 1 {
		t.Errorf("got %+v, woken %d", got, w.woken)
	}
	w.stop = "/var/lib/chronoops/pause"
	got = ok[api.Outcome](w, "POST", "/api/v1/resume", operatorToken, "")
	if !got.Done || !strings.Contains(got.Text, "the file /var/lib/chronoops/pause stops all of them") {
		t.Errorf("got %+v", got)
	}
	if p := ok[api.Paused](w, "GET", "/api/v1/pause", viewerToken, ""); p.StopFile != w.stop {
		t.Errorf("got %+v", p)
	}
	w.stop = ""
	if got := ok[api.Outcome](w, "POST", "/api/v1/resume", operatorToken, ""); got.Done || !strings.Contains(got.Text, "were not paused") {
		t.Errorf("twice: %+v", got)
	}
	if !strings.Contains(w.timeline(id), "resume|alice|repairs of everything are resumed") {
		t.Errorf("timeline:\n%s", w.timeline(id))
	}
	w.refused("POST", "/api/v1/pause", operatorToken, `{"for":"31d"}`, 400, "bad_request", "at most 30d")
	w.refused("POST", "/api/v1/pause", operatorToken, `{"fro":"1d"}`, 400, "bad_request", "unknown field")
	w.refused("POST", "/api/v1/pause", operatorToken, `{"reason":"`+strings.Repeat("x", 301)+`"}`, 400, "bad_request", "longer than")
}

// A pause of a misspelt target would stop nothing.
func TestPauseOfATargetThatNothingActsOn(t *testing.T) {
	w := newWorld(t)
	w.refused("POST", "/api/v1/pause", operatorToken, `{"target":"fake/helo"}`, 422, "target", "want one of fake/hello")
	w.fix.templated = true
	w.set.Policies[0].Repair = append(w.set.Policies[0].Repair, policy.Step{
		Action: "fake.fix", With: map[string]any{"args": []any{"x", "{{ .Labels.name }}"}, "patterns": map[string]any{"name": "[a-z]+"}},
	})
	if got := ok[api.Outcome](w, "POST", "/api/v1/pause", operatorToken, `{"target":"fake/other"}`); !got.Done {
		t.Errorf("a target that may depend on labels is refused: %+v", got)
	}
	w.set.Policies[0].Repair = nil
	w.refused("POST", "/api/v1/pause", operatorToken, `{"target":"fake/hello"}`, 422, "target", "nothing to pause")
}
