package intake_test

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

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/intake"
	"github.com/chronoops/chronoops/receiver/policy"
	"github.com/chronoops/chronoops/receiver/store"
)

// world is the webhook over a real store.
type world struct {
	testing.TB
	db       *store.DB
	registry *prometheus.Registry
	handler  *intake.Handler
	rejected string
	options  intake.Options
	woken    int
	mu       sync.Mutex
}

type dbStore struct{ *store.DB }

func (s dbStore) Update(ctx context.Context, fn func(intake.Tx) error) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

type storeFunc func(ctx context.Context, fn func(intake.Tx) error) error

func (f storeFunc) Update(ctx context.Context, fn func(intake.Tx) error) error { return f(ctx, fn) }

// bySecret takes the source from the bearer token.
type bySecret struct{}

func (bySecret) Source(r *http.Request) (string, error) {
	source, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", errors.New("credential is missing or wrong")
	}
	return source, nil
}

func newWorld(t testing.TB, change ...func(*intake.Options)) *world {
	t.Helper()
	w := &world{TB: t, registry: prometheus.NewRegistry(), rejected: filepath.Join(t.TempDir(), "rejected")}
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Clock: receiver.NewSystemClock()})
	if err != nil {
		t.Fatal(err)
	}
	w.db = db
	t.Cleanup(func() { _ = db.Close() })
	match, err := policy.ParseMatchers([]string{`alertname="ApiDown"`})
	if err != nil {
		t.Fatal(err)
	}
	set := &policy.Set{
		Mode:     receiver.ModeAuto,
		Policies: []policy.Policy{{Name: "api-down", Match: match, Mode: receiver.ModeAuto, Escalate: policy.DefaultLadder, Repair: []policy.Step{{Action: "fake.fix"}}}},
		Ladders:  policy.Ladders{policy.DefaultLadder: {{Level: 1, Timeout: policy.Minutes(time.Minute), Contacts: []string{"oncall"}}}},
		Hold:     5 * time.Minute, ReopenWithin: 10 * time.Minute, AckFor: time.Hour,
		IgnoreLabels: []string{"replica"}, MaxBody: 1 << 20,
	}
	w.options = intake.Options{
		Store: dbStore{db}, Auth: bySecret{}, Policies: func() *policy.Set { return set }, Timeout: 10 * time.Second,
		Rejected: intake.RejectedDir(w.rejected), Metrics: intake.NewMetrics(w.registry), Logger: slog.New(slog.DiscardHandler),
		Committed: func() { w.mu.Lock(); defer w.mu.Unlock(); w.woken++ },
	}
	for _, c := range change {
		c(&w.options)
	}
	w.handler = intake.NewHandler(w.options)
	return w
}

func (w *world) send(method, source string, body io.Reader) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), method, "/api/v1/alerts", body)
	if source != "" {
		r.Header.Set("Authorization", "Bearer "+source)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func (w *world) post(body string) *httptest.ResponseRecorder {
	w.Helper()
	return w.send(http.MethodPost, "prod", strings.NewReader(body))
}

// want checks status and code of an answer, and that the code was counted.
func (w *world) want(rec *httptest.ResponseRecorder, status int, code string) {
	w.Helper()
	var answer struct{ Status, Code, Error string }
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		w.Errorf("answer %s: %v", rec.Body, err)
	}
	if rec.Code != status || answer.Code != code || (answer.Error == "") != (status == http.StatusOK) {
		w.Errorf("%d %+v, want %d %s", rec.Code, answer, status, code)
	}
	if rec.Header().Get("Content-Type") != "application/json" {
		w.Errorf("content type %q", rec.Header().Get("Content-Type"))
	}
}

func (w *world) counted(source, code string) float64 {
	w.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "chronoops_webhook_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["source"] == source && labels["code"] == code {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// rows counts incidents, attempts and messages by source.
func (w *world) rows() (incidents, attempts, sources int) {
	w.Helper()
	err := w.db.View(w.Context(), func(tx *store.Tx) error {
		i, err := tx.Incidents(false, 1<<20)
		a, errA := tx.RecentAttempts(1 << 20)
		s, errS := tx.Sources()
		incidents, attempts, sources = len(i), len(a), len(s)
		return errors.Join(err, errA, errS)
	})
	if err != nil {
		w.Fatal(err)
	}
	return incidents, attempts, sources
}

func (w *world) wantRows(incidents, attempts, sources int) {
	w.Helper()
	i, a, s := w.rows()
	if diff := cmp.Diff([]int{incidents, attempts, sources}, []int{i, a, s}); diff != "" {
		w.Errorf("incidents, attempts, sources (-want +got):\n%s", diff)
	}
}

// message is a body about a group of firing alerts.
func message(group, status string, alerts int) string {
	var list []map[string]any
	start := time.Now().Add(-time.Minute)
	for n := range alerts {
		a := map[string]any{
			"status": status, "startsAt": start, "generatorURL": "http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0", "fingerprint": fmt.Sprintf("%016x", n),
			"labels":      map[string]string{"alertname": "ApiDown", "instance": fmt.Sprintf("api-%d:8000", n), "job": "api", "group": group, "severity": "critical"},
			"annotations": map[string]string{"summary": "The API does not answer", "description": "api has not answered its probe for one minute."},
		}
		if status == "resolved" {
			a["endsAt"] = time.Now()
		}
		list = append(list, a)
	}
	body, err := json.Marshal(map[string]any{
		"version": "4", "groupKey": "{}:{}", "status": status, "receiver": "chronoops", "externalURL": "http://peer-1:9093",
		"groupLabels": map[string]string{"alertname": "ApiDown", "group": group}, "alerts": list,
	})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func TestTaken(t *testing.T) {
	w := newWorld(t)
	w.want(w.post(message("a", "firing", 2)), http.StatusOK, "")
	w.wantRows(1, 2, 1)
	w.want(w.post(message("a", "resolved", 2)), http.StatusOK, "")
	w.want(w.post(`{"version":"4","truncatedAlerts":5,"alerts":[{"status":"firing","labels":{"alertname":"Watchdog"}}]}`), http.StatusOK, "")
	w.want(w.post(`{"version":"4"}`), http.StatusOK, "")
	w.wantRows(1, 2, 1)
	if w.woken != 4 {
		t.Errorf("woken %d times", w.woken)
	}
	expected := `
# HELP chronoops_webhook_alerts_total Alerts taken from webhook messages by what they changed.
# TYPE chronoops_webhook_alerts_total counter
chronoops_webhook_alerts_total{outcome="closed",source="prod"} 2
chronoops_webhook_alerts_total{outcome="ignored",source="prod"} 1
chronoops_webhook_alerts_total{outcome="opened",source="prod"} 2
# HELP chronoops_webhook_requests_total Webhook requests by source and outcome: ok, repeat, or the code of the refusal.
# TYPE chronoops_webhook_requests_total counter
chronoops_webhook_requests_total{code="ok",source="prod"} 4
# HELP chronoops_webhook_truncated_alerts_total Alerts that Alertmanager left out of its messages because of max_alerts.
# TYPE chronoops_webhook_truncated_alerts_total counter
chronoops_webhook_truncated_alerts_total{source="prod"} 5
`
	if err := testutil.GatherAndCompare(w.registry, strings.NewReader(expected),
		"chronoops_webhook_alerts_total", "chronoops_webhook_requests_total", "chronoops_webhook_truncated_alerts_total"); err != nil {
		t.Error(err)
	}
	err := w.db.View(t.Context(), func(tx *store.Tx) error {
		list, err := tx.Sources()
		if list[0].Watchdog.IsZero() || list[0].Message.IsZero() {
			t.Errorf("source %+v", list[0])
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, method, source, body string
		status                     int
		code                       string
	}{
		{"GET", http.MethodGet, "prod", "", http.StatusMethodNotAllowed, "method"},
		{"PUT", http.MethodPut, "prod", "{}", http.StatusMethodNotAllowed, "method"},
		{"no credential", http.MethodPost, "", `{"version":"4"}`, http.StatusUnauthorized, "auth"},
		{"bad JSON", http.MethodPost, "prod", "{", http.StatusUnprocessableEntity, "json"},
		{"empty", http.MethodPost, "prod", "", http.StatusUnprocessableEntity, "json"},
		{"null", http.MethodPost, "prod", "null", http.StatusUnprocessableEntity, "version"},
		{"nothing", http.MethodPost, "prod", "{}", http.StatusUnprocessableEntity, "version"},
		{"another version", http.MethodPost, "prod", `{"version":"5"}`, http.StatusUnprocessableEntity, "version"},
		{"bad alert", http.MethodPost, "prod", `{"version":"4","alerts":[{}]}`, http.StatusUnprocessableEntity, "alert"},
		{"deep", http.MethodPost, "prod", strings.Repeat("[", 500000), http.StatusUnprocessableEntity, "json"},
		{"over the limit", http.MethodPost, "prod", `{"version":"4","x":"` + strings.Repeat("x", 1<<20) + `"}`, http.StatusRequestEntityTooLarge, "too_large"},
		{"one byte over", http.MethodPost, "prod", `{"version":"4"}` + strings.Repeat(" ", 1<<20-14), http.StatusRequestEntityTooLarge, "too_large"},
	} {
		source := c.source
		if c.code == "method" || c.code == "auth" {
			source = ""
		}
		before := w.counted(source, c.code)
		rec := w.send(c.method, c.source, strings.NewReader(c.body))
		w.want(rec, c.status, c.code)
		if w.counted(source, c.code) != before+1 {
			t.Errorf("%s: not counted as %s of %q", c.name, c.code, source)
		}
		if c.code == "method" && rec.Header().Get("Allow") != http.MethodPost || c.code == "auth" && rec.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: header %v", c.name, rec.Header())
		}
	}
	// At the limit it is taken, with or without a length.
	full := `{"version":"4"}` + strings.Repeat(" ", 1<<20-15)
	w.want(w.post(full), http.StatusOK, "")
	w.want(w.send(http.MethodPost, "prod", io.MultiReader(strings.NewReader(full))), http.StatusOK, "")
	w.want(w.send(http.MethodPost, "prod", io.MultiReader(strings.NewReader(full+" "))), http.StatusRequestEntityTooLarge, "too_large")
	w.want(w.send(http.MethodPost, "prod", io.MultiReader(strings.NewReader("{"), brokenReader{})), http.StatusBadRequest, "read")
	w.wantRows(0, 0, 1)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestRejectedBodiesAreKept(t *testing.T) {
	w := newWorld(t)
	big := `{"version":"3","x":"` + strings.Repeat("x", 100<<10) + `"}`
	for _, body := range []string{"{first", "{second", big, `{"version":"4","alerts":[{}]}`} {
		w.post(body)
	}
	for name, want := range map[string]string{"json": "{second", "version": big[:64<<10], "alert": `{"version":"4","alerts":[{}]}`} {
		path := filepath.Join(w.rejected, name+".json")
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s: %v, %d bytes, want %d", name, err, len(got), len(want))
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, mode %v", name, err, info.Mode())
		}
	}
	if files, err := os.ReadDir(w.rejected); err != nil || len(files) != 3 {
		t.Errorf("%v, %d files", err, len(files))
	}
	// That it cannot be kept changes nothing about the answer.
	w = newWorld(t, func(o *intake.Options) { o.Rejected = intake.RejectedDir("/proc/no/such") })
	w.want(w.post("{"), http.StatusUnprocessableEntity, "json")
}

func TestDraining(t *testing.T) {
	w := newWorld(t)
	w.handler.Drain()
	w.want(w.post(message("a", "firing", 1)), http.StatusServiceUnavailable, "draining")
	w.wantRows(0, 0, 0)
}

// Whatever goes wrong in the store, at the beginning, in the middle or at the commit: 503, and nothing is recorded.
func TestStoreFaults(t *testing.T) {
	fault := errors.New("disk full at /var/lib/secret")
	for name, broken := range map[string]func(*store.DB) intake.Store{
		"down": func(*store.DB) intake.Store {
			return storeFunc(func(context.Context, func(intake.Tx) error) error { return fault })
		},
		"commit": func(db *store.DB) intake.Store {
			return storeFunc(func(ctx context.Context, fn func(intake.Tx) error) error {
				return db.Update(ctx, func(tx *store.Tx) error { return errors.Join(fn(tx), fault) })
			})
		},
		"middle": func(db *store.DB) intake.Store {
			return storeFunc(func(ctx context.Context, fn func(intake.Tx) error) error {
				return db.Update(ctx, func(tx *store.Tx) error { return fn(&failing{Tx: tx, after: 3, err: fault}) })
			})
		},
		"slow": func(db *store.DB) intake.Store {
			return storeFunc(func(ctx context.Context, fn func(intake.Tx) error) error {
				return db.Update(ctx, func(tx *store.Tx) error {
					err := fn(tx)
					<-ctx.Done()
					return err
				})
			})
		},
	} {
		w := newWorld(t)
		o := w.options
		o.Store, o.Timeout = broken(w.db), 2*time.Second
		if name == "slow" {
			o.Timeout = 50 * time.Millisecond
		}
		sound := w.handler
		w.handler = intake.NewHandler(o)
		body := message("a", "firing", 2)
		rec := w.post(body)
		w.want(rec, http.StatusServiceUnavailable, "store")
		if strings.Contains(rec.Body.String(), "secret") {
			t.Errorf("%s: the answer says %s", name, rec.Body)
		}
		w.wantRows(0, 0, 0)
		if w.woken != 0 || w.counted("prod", "store") != 1 || w.counted("prod", "ok") != 0 {
			t.Errorf("%s: woken %d times, counted %v", name, w.woken, w.counted("prod", "store"))
		}
		// Alertmanager tries again, and it is as if nothing had been.
		w.handler = sound
		w.want(w.post(body), http.StatusOK, "")
		w.wantRows(1, 2, 1)
		if w.counted("prod", "repeat") != 0 {
			t.Errorf("%s: the retry counts as a repeat", name)
		}
	}
}

// failing has its fault at one of the inserts.
type failing struct {
	*store.Tx
	after int
	err   error
}

func (f *failing) AddEvent(e receiver.Event) error {
	if f.after--; f.after == 0 {
		return f.err
	}
	return f.Tx.AddEvent(e)
}

func TestClosedStore(t *testing.T) {
	w := newWorld(t)
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	w.want(w.post(message("a", "firing", 1)), http.StatusServiceUnavailable, "store")
}

// early fails a test when an answer is begun before the commit.
type early struct {
	*httptest.ResponseRecorder
	committed *bool
	t         *testing.T
}

func (e early) WriteHeader(status int) {
	if !*e.committed {
		e.t.Errorf("answered %d before the commit", status)
	}
	e.ResponseRecorder.WriteHeader(status)
}

func (e early) Write(b []byte) (int, error) {
	if !*e.committed {
		e.t.Error("wrote before the commit")
	}
	return e.ResponseRecorder.Write(b)
}
