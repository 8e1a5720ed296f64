package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

func newTestExposer(o ExposerOptions) *Exposer {
	o.Logger = slog.New(slog.DiscardHandler)
	return NewExposer(o)
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestMetricsQueries(t *testing.T) {
	s, _ := newTestSet(t, nil, &fake{parts: []string{"a", "b"}}, &fake{parts: []string{"extra"}})
	h := newTestExposer(ExposerOptions{}).Metrics(func() *Set { return s })
	for _, test := range []struct {
		query string
		code  int
		want  string
	}{
		{"", 200, `a_fake{part="b"} 1`},
		{"?collect[]=a", 200, `a_fake{part="a"} 1`},
		{"?exclude[]=b", 200, `a_fake{part="a"} 1`},
		{"?collect[]=a&collect[]=b", 200, `a_fake{part="b"} 1`},
		{"?collect[]=a&exclude[]=b", 400, "cannot be used together"},
		{"?collect[]=nope", 400, `unknown collector "nope"`},
		{"?exclude[]=nope", 400, `unknown collector "nope"`},
		{"?collect[]=extra", 400, `collector "extra" is disabled`},
	} {
		w := get(h, "/metrics"+test.query)
		if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s: %d, want %d and %q:\n%s", test.query, w.Code, test.code, test.want, w.Body)
		}
		if test.code == 200 && strings.Contains(test.query, "a") && !strings.Contains(test.query, "=b") &&
			strings.Contains(w.Body.String(), `"b"`) {
			t.Errorf("%s: the answer has b:\n%s", test.query, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/metrics", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestNegotiation(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "own", Help: "Own."}, func() float64 { return 1 }))
	s, _ := newTestSet(t, reg, &fake{parts: []string{"a"}})
	const prometheusAccept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6," +
		"application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4," +
		"text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
	const text = "text/plain; version=0.0.4; charset=utf-8"
	for name, test := range map[string]struct {
		o      ExposerOptions
		accept string
		want   string // the content type begins with it
	}{
		"browser":      {ExposerOptions{}, "text/html,*/*;q=0.8", text},
		"none":         {ExposerOptions{}, "", text},
		"prometheus":   {ExposerOptions{}, prometheusAccept, text},
		"open metrics": {ExposerOptions{OpenMetrics: true}, prometheusAccept, "application/openmetrics-text; version=1.0.0"},
		"protobuf":     {ExposerOptions{}, protobuf + prometheusAccept, "application/vnd.google.protobuf"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestExposer(test.o).Metrics(func() *Set { return s })
			w := get(h, "/metrics", "Accept", test.accept, "Accept-Encoding", "br, gzip;q=0.8")
			if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, test.want) {
				t.Errorf("content type %q, want %q", got, test.want)
			}
			body := unpack(t, w.Header(), w.Body)
			if strings.HasPrefix(test.want, "application/openmetrics") {
				if !bytes.HasSuffix(body, []byte("# EOF\n")) || !bytes.Contains(body, []byte("\nown 1.0\n")) {
					t.Errorf("not OpenMetrics:\n%s", body)
				}
				return
			}
			names := make(map[string]bool)
			dec := expfmt.NewDecoder(bytes.NewReader(body), expfmt.ResponseFormat(w.Header()))
			for {
				var mf dto.MetricFamily
				if err := dec.Decode(&mf); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				names[mf.GetName()] = true
			}
			want := map[string]bool{
				"own": true, "a_fake": true, ScrapeDuration.Name: true, ScrapeSuccess.Name: true, ScrapeNoData.Name: true, ScrapeDuplicates.Name: true,
			}
			if diff := cmp.Diff(want, names); diff != "" {
				t.Errorf("families (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScrapeTimeout(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": DefaultTimeout, "x": DefaultTimeout, "0": DefaultTimeout, "-3": DefaultTimeout, "NaN": DefaultTimeout,
		"10": 9500 * time.Millisecond, "0.6": 300 * time.Millisecond, "1e9": maxTimeout - 500*time.Millisecond,
		"+Inf": maxTimeout - 500*time.Millisecond,
	} {
		if got := scrapeTimeout(header, 500*time.Millisecond); got != want {
			t.Errorf("%q: got %v, want %v", header, got, want)
		}
	}
	if got := scrapeTimeout("10", 0); got != 10*time.Second {
		t.Errorf("without an offset: %v", got)
	}
}

func TestDeadlineFromHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fake{parts: []string{"a"}}
		c.collect = func(ctx context.Context, _ *Writer) error { <-ctx.Done(); time.Sleep(time.Minute); return nil }
		s, _ := newTestSet(t, nil, c)
		h := newTestExposer(ExposerOptions{TimeoutOffset: DefaultTimeoutOffset}).Metrics(func() *Set { return s })
		start := time.Now()
		w := get(h, "/metrics", timeoutHeader, "3")
		if took := time.Since(start); w.Code != 200 || took != 2500*time.Millisecond {
			t.Errorf("%d after %v, want 200 after 2.5s", w.Code, took)
		}
		time.Sleep(2 * time.Minute) // until the collector is back
	})
}

func TestMaxRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := &fake{parts: []string{"a"}}
		c.collect = func(_ context.Context, w *Writer) error { <-release; return c.record(w) }
		s, _ := newTestSet(t, nil, c)
		h := newTestExposer(ExposerOptions{MaxRequests: 2}).Metrics(func() *Set { return s })
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if w := get(h, "/metrics"); w.Code != 200 {
					t.Errorf("within the limit: %d", w.Code)
				}
			})
		}
		synctest.Wait()
		if w := get(h, "/metrics"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("beyond the limit: %d", w.Code)
		}
		close(release)
		wg.Wait()
		if w := get(h, "/metrics"); w.Code != 200 {
			t.Errorf("after the others: %d", w.Code)
		}
	})
}

func TestNoLimitOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := &fake{parts: []string{"a"}}
		c.collect = func(_ context.Context, w *Writer) error { <-release; return c.record(w) }
		s, _ := newTestSet(t, nil, c)
		h := newTestExposer(ExposerOptions{MaxRequests: 0}).Metrics(func() *Set { return s })
		var wg sync.WaitGroup
		for range 3 * DefaultMaxRequests {
			wg.Go(func() {
				if w := get(h, "/metrics"); w.Code != 200 {
					t.Errorf("%d although there is no limit", w.Code)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
	})
}

func TestProbe(t *testing.T) {
	s, _ := newTestSet(t, nil, &fake{parts: []string{"a", "b"}})
	h := ProbeHandler{Exposer: newTestExposer(ExposerOptions{}), Lookup: func(_ context.Context, name string) *Set {
		if name == "main" {
			return s
		}
		return nil
	}}
	withModule := h
	withModule.Module = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "module") })
	for _, test := range []struct {
		h     http.Handler
		query string
		code  int
		want  string
	}{
		{h, "?target=main", 200, ScrapeSuccess.Name + `{collector="b"} 1`},
		{h, "?target=main&collect[]=a", 200, ScrapeSuccess.Name + `{collector="a"} 1`},
		{h, "?target=main&collect[]=x", 400, "unknown collector"},
		{h, "?target=other", 404, `unknown target "other": configure it under targets`},
		{h, "", 400, "target parameter is missing"},
		{h, "?target=main&target=other", 400, "more than one target"},
		{h, "?target=http://x&module=http_2xx", 400, "no probe modules"},
		{withModule, "?target=http://x&module=http_2xx", 200, "module"},
	} {
		w := get(test.h, "/probe"+test.query)
		if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s: %d, want %d and %q:\n%s", test.query, w.Code, test.code, test.want, w.Body)
		}
	}
}

func TestDiscovery(t *testing.T) {
	d := Discovery{Targets: func(context.Context) []Announcement {
		return []Announcement{
			{Name: "main", Kind: "postgres", Labels: map[string]string{"instance": "db1:5432", "__param_target": "evil"}},
			{Name: "cache", Kind: "redis"},
		}
	}}
	w := get(d, "http://ops.example:9847/sd")
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q, which Prometheus refuses", got)
	}
	var got []targetGroup
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	labels := func(name, kind, instance string) map[string]string {
		return map[string]string{
			"__metrics_path__": "/probe", "__param_target": name, "__scheme__": "http",
			"chronoops_kind": kind, "instance": instance,
		}
	}
	want := []targetGroup{
		{[]string{"ops.example:9847"}, labels("cache", "redis", "cache")},
		{[]string{"ops.example:9847"}, labels("main", "postgres", "db1:5432")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w = get(Discovery{Targets: func(context.Context) []Announcement { return nil }}, "/sd")
	if got := strings.TrimSpace(w.Body.String()); got != "[]" {
		t.Errorf("without targets: %q", got)
	}
}

// TestNothingPilesUp scrapes a thousand times beside a collector that hangs.
func TestNothingPilesUp(t *testing.T) {
	release := make(chan struct{})
	hung := &fake{parts: []string{"hung"}, collect: func(context.Context, *Writer) error { <-release; return nil }}
	s, _ := newTestSet(t, prometheus.NewRegistry(), hung, &fake{parts: []string{"good"}})
	h := newTestExposer(ExposerOptions{}).Metrics(func() *Set { return s })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Scrape(ctx, Query{}); err != nil { // warm up
		t.Fatal(err)
	}
	get(h, "/metrics", timeoutHeader, "0.02")
	good := func() bool {
		return strings.Contains(get(h, "/metrics", timeoutHeader, "30").Body.String(), ScrapeSuccess.Name+`{collector="good"} 1`)
	}
	for !good() { // on a busy machine it may not have come back by that deadline
		time.Sleep(time.Millisecond)
	}
	goroutines, fds := runtime.NumGoroutine(), descriptors(t)
	for range 1000 {
		if !good() {
			t.Fatal("the collector beside the hung one failed")
		}
	}
	for range 100 { // scrapes end before the last goroutine of theirs does
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if n := descriptors(t); n > fds {
		t.Errorf("%d descriptors, %d before", n, fds)
	}
	if n := hung.calls.Load(); n != 1 {
		t.Errorf("the hung collector was started %d times", n)
	}
	close(release)
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
