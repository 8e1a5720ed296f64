package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/store"
)

func TestIncidentsAreListed(t *testing.T) {
	w := newWorld(t)
	if list := ok[[]api.Incident](w, "GET", "/api/v1/incidents", viewerToken, ""); list == nil || len(list) != 0 {
		t.Errorf("an empty list is %v", list)
	}
	first, _ := w.fire(labels("a"))
	second, attempt := w.fire(labels("b"))
	w.propose(attempt)
	w.update(func(tx *store.Tx) error {
		_, err := incident.Resolve(tx, receiver.Alert{Source: "prod", Key: receiver.AlertKey(labels("a"), nil), EndsAt: begin.Add(time.Minute)})
		return err
	})
	list := ok[[]api.Incident](w, "GET", "/api/v1/incidents", viewerToken, "")
	if len(list) != 2 || list[0].ID != second || list[1].ID != first || list[1].Open() || list[0].Firing != 1 || list[1].Firing != 0 {
		t.Fatalf("got %+v", list)
	}
	if diff := cmp.Diff([]int64{attempt}, list[0].Approvals); diff != "" {
		t.Error(diff)
	}
	if list := ok[[]api.Incident](w, "GET", "/api/v1/incidents?open=true", viewerToken, ""); len(list) != 1 || list[0].ID != second {
		t.Errorf("open ones: %+v", list)
	}
	if list := ok[[]api.Incident](w, "GET", "/api/v1/incidents?limit=1", viewerToken, ""); len(list) != 1 || list[0].ID != second {
		t.Errorf("limited: %+v", list)
	}
	w.refused("GET", "/api/v1/incidents?limit=0", viewerToken, "", 400, "bad_request", "from 1 to 1000")
	w.refused("GET", "/api/v1/incidents?open=yes", viewerToken, "", 400, "bad_request", "true or false")
}

func TestIncidentIsShown(t *testing.T) {
	w := newWorld(t)
	id, attempt := w.fire(labels("a"))
	hash := w.propose(attempt)
	w.update(func(tx *store.Tx) error {
		_, err := tx.InsertPage(receiver.Page{Incident: id, Kind: receiver.NoticeFiring, Level: 1, Role: "oncall", Channel: "x", State: receiver.PagePending, Created: begin, Due: begin})
		return err
	})
	d := ok[api.Detail](w, "GET", fmt.Sprintf("/api/v1/incidents/%d", id), viewerToken, "")
	if d.Incident.ID != id || len(d.Episodes) != 1 || len(d.Attempts) != 1 || len(d.Pages) != 1 || len(d.Timeline) == 0 || d.Incident.Firing != 1 || !d.Now.Equal(begin) {
		t.Errorf("got %+v", d)
	}
	if d.Attempts[0].PlanHash != hash || hash == "" {
		t.Errorf("hash is %q, want %q", d.Attempts[0].PlanHash, hash)
	}
	if d.Attempts[0].Plan.Hash() != hash {
		t.Error("the plan's hash does not survive the way through JSON")
	}
	w.refused("GET", "/api/v1/incidents/99", viewerToken, "", 404, "not_found", "incident 99")
	w.refused("GET", "/api/v1/incidents/x", viewerToken, "", 400, "bad_request", "not a number")
	w.refused("GET", "/api/v1/attempts/99", viewerToken, "", 404, "not_found", "attempt 99")
}

func TestAck(t *testing.T) {
	w := newWorld(t)
	id, _ := w.fire(labels("a"))
	path := fmt.Sprintf("/api/v1/incidents/%d/ack", id)
	got := ok[api.Outcome](w, "POST", path, operatorToken, `{"by":"bob","for":"1h"}`)
	if !got.Done || w.woken != 1 {
		t.Errorf("got %+v, woken %d", got, w.woken)
	}
	d := ok[api.Detail](w, "GET", fmt.Sprintf("/api/v1/incidents/%d", id), viewerToken, "")
	if a := d.Incident.Ack; a == nil || a.By != "bob (token alice)" || !a.Until.Equal(begin.Add(time.Hour)) {
		t.Errorf("ack is %+v", a)
	}
	if !strings.Contains(w.timeline(id), "ack|bob (token alice)|acknowledged") {
		t.Errorf("timeline:\n%s", w.timeline(id))
	}
	if got := ok[api.Outcome](w, "POST", path, operatorToken, `{"by":"bob"}`); got.Done || !strings.Contains(got.Text, "already") || w.woken != 1 {
		t.Errorf("twice: %+v, woken %d", got, w.woken)
	}
	// Without a body: the configured time, and the token's own name.
	if got := ok[api.Outcome](w, "POST", path, operatorToken, ""); !got.Done {
		t.Errorf("got %+v", got)
	}
	d = ok[api.Detail](w, "GET", fmt.Sprintf("/api/v1/incidents/%d", id), viewerToken, "")
	if a := d.Incident.Ack; a.By != "alice" || !a.Until.Equal(begin.Add(w.set.AckFor)) {
		t.Errorf("ack is %+v", a)
	}
	for body, words := range map[string]string{
		`{"for":"8d"}`:                             "from 1m to 7d",
		`{"for":"1s"}`:                             "from 1m to 7d",
		`{"for":"soon"}`:                           "not a valid duration",
		`{"form":"1h"}`:                            "unknown field",
		`{"by":"alice (token alice)"}`:             "by:",
		`{"by":"a\u001b[2J"}`:                      "by:",
		`{"by":"` + strings.Repeat("x", 65) + `"}`: "longer than 64",
		`{} {}`:  "more than one",
		`[]`:     "JSON object",
		`{"by":`: "JSON object",
	} {
		w.refused("POST", path, operatorToken, body, 400, "bad_request", words)
	}
	w.refused("POST", path, operatorToken, `{"by":"`+strings.Repeat("x", 70<<10)+`"}`, 413, "too_large", "larger than")
	w.refused("POST", "/api/v1/incidents/99/ack", operatorToken, "", 404, "not_found", "incident 99")
}

func TestApprove(t *testing.T) {
	w := newWorld(t)
	id, attempt := w.fire(labels("a"))
	path := fmt.Sprintf("/api/v1/incidents/%d/approve", id)
	body := func(hash string) string { return fmt.Sprintf(`{"attempt":%d,"hash":%q,"by":"bob"}`, attempt, hash) }

	w.refused("POST", path, operatorToken, body("abc"), 409, "not_proposed", "it is waiting")
	hash := w.propose(attempt)
	w.refused("POST", path, operatorToken, body("abc"), 409, "plan_changed", "not the one that you were shown")
	w.refused("POST", path, operatorToken, fmt.Sprintf(`{"attempt":%d}`, attempt), 400, "bad_request", "hash is missing")
	w.refused("POST", path, operatorToken, fmt.Sprintf(`{"hash":%q}`, hash), 400, "bad_request", "attempt is missing")
	w.refused("POST", path, operatorToken, `{"attempt":99,"hash":"x"}`, 404, "not_found", "attempt 99")
	other, _ := w.fire(labels("b"))
	w.refused("POST", fmt.Sprintf("/api/v1/incidents/%d/approve", other), operatorToken, body(hash), 404, "not_found", "has no attempt")
	if a := w.attempt(attempt); a.State != receiver.AttemptProposed || w.woken != 0 {
		t.Fatalf("a refused approval changed something: %+v", a)
	}

	w.clock.add(time.Minute)
	got := ok[api.Outcome](w, "POST", path, operatorToken, body(hash))
	a := w.attempt(attempt)
	if !got.Done || a.State != receiver.AttemptWaiting || a.Approval != hash || a.Approved != "bob (token alice)" || !a.Due.Equal(begin.Add(time.Minute)) || w.woken != 1 {
		t.Errorf("got %+v, attempt %+v, woken %d", got, a, w.woken)
	}
	if !strings.Contains(w.timeline(id), "approved|bob (token alice)|approved fake.fix: Say hello") {
		t.Errorf("timeline:\n%s", w.timeline(id))
	}
	if got := ok[api.Outcome](w, "POST", path, operatorToken, body(hash)); got.Done || !strings.Contains(got.Text, "approved by bob (token alice) already") || w.woken != 1 {
		t.Errorf("twice: %+v", got)
	}
	w.refused("POST", fmt.Sprintf("/api/v1/incidents/%d/reject", id), operatorToken, body(hash), 409, "not_proposed", "it is waiting")
}

func TestApproveTooLate(t *testing.T) {
	w := newWorld(t)
	id, attempt := w.fire(labels("a"))
	hash := w.propose(attempt)
	w.clock.add(time.Hour)
	for _, verb := range []string{"approve", "reject"} {
		w.refused("POST", fmt.Sprintf("/api/v1/incidents/%d/%s", id, verb), operatorToken, fmt.Sprintf(`{"attempt":%d,"hash":%q}`, attempt, hash), 409, "expired", "too late")
	}
	if a := w.attempt(attempt); a.State != receiver.AttemptProposed {
		t.Errorf("state is %s", a.State)
	}
}

func TestReject(t *testing.T) {
	w := newWorld(t)
	id, attempt := w.fire(labels("a"))
	hash := w.propose(attempt)
	path := fmt.Sprintf("/api/v1/incidents/%d/reject", id)
	body := fmt.Sprintf(`{"attempt":%d,"hash":%q,"reason":"not now"}`, attempt, hash)
	got := ok[api.Outcome](w, "POST", path, operatorToken, body)
	a := w.attempt(attempt)
	if !got.Done || a.State != receiver.AttemptRefused || a.Reason != "rejected by alice (not now)" || a.Approval != "" || a.Ended.IsZero() || !a.Due.IsZero() {
		t.Errorf("got %+v, attempt %+v", got, a)
	}
	if !strings.Contains(w.timeline(id), "rejected|alice|rejected fake.fix (not now)") {
		t.Errorf("timeline:\n%s", w.timeline(id))
	}
	if got := ok[api.Outcome](w, "POST", path, operatorToken, body); got.Done || !strings.Contains(got.Text, "refused already") {
		t.Errorf("twice: %+v", got)
	}
	w.refused("POST", fmt.Sprintf("/api/v1/incidents/%d/approve", id), operatorToken, body, 409, "not_proposed", "it is refused")
}

func TestUnknownPathsAndMethods(t *testing.T) {
	w := newWorld(t)
	w.refused("GET", "/api/v1/nothing", viewerToken, "", 404, "not_found", "no such path")
	w.refused("DELETE", "/api/v1/incidents", operatorToken, "", 405, "method", "use GET")
	rec := w.do("PUT", "/api/v1/pause", operatorToken, "")
	if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "GET, POST" {
		t.Errorf("got %d, Allow %q", rec.Code, rec.Header().Get("Allow"))
	}
}
