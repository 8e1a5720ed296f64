package api_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/store"
)

// hostile values as an exporter or a rule's author could send them.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</style><script>alert(1)</script>`, `javascript:alert(1)`,
	"a\x1b[2Jb", "left\u202etfel", "line\nbreak", "\xff\xfe", `{{.Style}}`, `'--`, "&lt;b&gt;",
}

func TestHostileValuesRenderHarmlessly(t *testing.T) {
	w := newWorld(t)
	set := map[string]string{"alertname": "ApiDown"}
	for n, v := range hostile {
		set[fmt.Sprintf("l%d", n)] = v
	}
	set["<script>alert(2)</script>"] = "x"
	id, attempt := w.fire(set)
	w.update(func(tx *store.Tx) error {
		e, _, err := tx.OpenEpisode("prod", receiver.AlertKey(set, nil))
		if err != nil {
			return err
		}
		e.Annotations, e.URL = map[string]string{"runbook_url": "javascript:alert(1)", "summary": hostile[1]}, "javascript:alert(1)"
		if err := tx.SaveEpisode(e); err != nil {
			return err
		}
		a, err := tx.Attempt(attempt)
		if err != nil {
			return err
		}
		a.State, a.Due, a.Ended = receiver.AttemptShadowed, time.Time{}, tx.Now()
		a.Reason, a.Plan = "would say "+hostile[0], &receiver.Plan{Summary: hostile[0], Steps: hostile}
		if err := tx.SaveAttempt(a); err != nil {
			return err
		}
		return tx.AddEvent(receiver.Event{Incident: id, Kind: "note", Actor: hostile[0], Text: strings.Join(hostile, " ")})
	})
	for _, path := range []string{"/incidents", fmt.Sprintf("/incidents/%d", id)} {
		rec := w.do("GET", path, viewerToken, "")
		body := rec.Body.String()
		if rec.Code != 200 || rec.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%s: %d %s", path, rec.Code, body)
		}
		for _, bad := range []string{"<script", "<img", "href=\"javascript", "\x1b", "\u202e", "\xff", "ZgotmplZ"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", path, bad)
			}
		}
		if strings.Count(body, "<style>") != 1 || strings.Count(body, "</style>") != 1 {
			t.Errorf("%s: the style was broken out of", path)
		}
		if !strings.Contains(body, `\u202e`) || !strings.Contains(body, "&lt;script&gt;") {
			t.Errorf("%s does not show what is there", path)
		}
	}
	body := w.do("GET", fmt.Sprintf("/incidents/%d", id), viewerToken, "").Body.String()
	if !strings.Contains(body, "would say") {
		t.Error("what shadow would have done is not shown")
	}
}

func TestPagesSayWhatToDo(t *testing.T) {
	w := newWorld(t)
	if body := w.do("GET", "/incidents", viewerToken, "").Body.String(); !strings.Contains(body, "no incident yet") {
		t.Error(body)
	}
	id, attempt := w.fire(labels("a"))
	w.propose(attempt)
	w.update(func(tx *store.Tx) error {
		return tx.Pause(receiver.Pause{Resource: "fake/hello", By: "bob", Reason: "deploying", At: tx.Now()})
	})
	w.stop = "/srv/pause"
	body := w.do("GET", fmt.Sprintf("/incidents/%d", id), viewerToken, "").Body.String()
	for _, want := range []string{
		fmt.Sprintf("chronoops incident ack %d", id), fmt.Sprintf("chronoops incident approve %d --attempt %d", id, attempt),
		"chronoops resume --target fake/hello", "paused by bob", "deploying", "/srv/pause", "2026-03-01 02:00:00 UTC", "<b>fake.fix</b>", "proposed",
		"firing: ApiDown", `name="viewport"`, "mode approve",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q:\n%s", want, body)
		}
	}
	if body := w.do("GET", "/incidents", viewerToken, "").Body.String(); !strings.Contains(body, fmt.Sprintf("attempt %d waits for approval", attempt)) {
		t.Error(body)
	}
	for path, status := range map[string]int{"/incidents/99": 404, "/incidents/x": 400} {
		if rec := w.do("GET", path, viewerToken, ""); rec.Code != status {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}

// The only thing that a browser may apply is the page's own style.
func TestPagesAllowNothingElse(t *testing.T) {
	w := newWorld(t)
	rec := w.do("GET", "/incidents", viewerToken, "")
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(rec.Body.String())
	if style == nil {
		t.Fatal("no style")
	}
	sum := sha256.Sum256([]byte(style[1]))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	if got := rec.Header().Get("Content-Security-Policy"); got != want {
		t.Errorf("policy is %q, want %q", got, want)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
		if got := rec.Header().Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if strings.Contains(rec.Body.String(), " style=") || strings.Contains(rec.Body.String(), "<script") {
		t.Error("the page holds what its policy forbids")
	}
}
