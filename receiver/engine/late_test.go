package engine_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Invariant 11: an end of an earlier firing does not close the present one.
func TestInvariant11LateEndOfAnEarlierFiring(t *testing.T) {
	w := newWorld(t)
	send := func(status string, starts, ends time.Time) {
		t.Helper()
		body, err := json.Marshal(map[string]any{
			"version": "4", "status": status, "receiver": "chronoops", "groupLabels": map[string]string{"alertname": "x"},
			"alerts": []map[string]any{{"status": status, "labels": disk("a"), "startsAt": starts, "endsAt": ends}},
		})
		if err != nil {
			t.Fatal(err)
		}
		rec := httptest.NewRecorder()
		w.intake.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(string(body))))
		if rec.Code != http.StatusOK {
			t.Fatalf("webhook answered %d", rec.Code)
		}
	}
	send("firing", begin, time.Time{})
	send("firing", begin.Add(10*time.Minute), time.Time{}) // it had ended, and fires again: that message has overtaken
	send("firing", begin, time.Time{})
	send("resolved", begin, begin.Add(5*time.Minute)) // … this one
	if !w.incident(1).Open() {
		t.Error("the end of the earlier firing closed the incident of the present one")
	}
	send("resolved", begin.Add(10*time.Minute), begin.Add(15*time.Minute))
	if w.incident(1).Open() {
		t.Error("the end of the present firing did not close its incident")
	}
}
