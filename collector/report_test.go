package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestNoData(t *testing.T) {
	none := fmt.Errorf("read /sys/class/hwmon: %w", ErrNoData)
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		calls  []error // of the part
		err    error   // of Collect
		want   string  // success, no data
		logged string  // at info or above
	}{
		"none":                  {[]error{none}, nil, "0 1", ""},
		"none of several":       {[]error{none, none}, nil, "0 1", ""},
		"some":                  {[]error{none, nil, none}, nil, "1 0", ""},
		"some, before none":     {[]error{nil, none}, nil, "1 0", ""},
		"failed":                {[]error{none, broken, none}, nil, "0 0", "broken"},
		"failed, joined":        {[]error{errors.Join(broken, nil)}, nil, "0 0", "broken"},
		"succeeded and failed":  {[]error{nil, broken}, nil, "0 0", "broken"},
		"nothing at all":        {nil, none, "0 1", ""},
		"not reported":          {nil, nil, "0 0", "not reported"},
		"collector failed":      {nil, broken, "0 0", "broken"},
		"nothing, after it all": {[]error{nil}, none, "1 0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := &fake{parts: []string{"a"}}
			c.collect = func(_ context.Context, w *Writer) error {
				for i, err := range test.calls {
					w.Part("a", func() error { w.Add(fakeValue, 1, strconv.Itoa(i)); return err })
				}
				return test.err
			}
			s, log := newTestSet(t, nil, c)
			snap, err := s.Scrape(t.Context(), Query{})
			if err != nil {
				t.Fatal(err)
			}
			text := string(snap.AppendText(nil))
			success, noData, _ := strings.Cut(test.want, " ")
			for _, line := range []string{ScrapeSuccess.Name + `{collector="a"} ` + success + "\n", ScrapeNoData.Name + `{collector="a"} ` + noData + "\n"} {
				if !strings.Contains(text, line) {
					t.Errorf("want %s in\n%s", line, text)
				}
			}
			if n := strings.Count(text, "a_fake{"); n != len(test.calls) {
				t.Errorf("%d of %d samples", n, len(test.calls))
			}
			loud := strings.Contains(log.String(), "level=ERROR")
			if loud != (test.logged != "") || !strings.Contains(log.String(), test.logged) {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// What has no data any more does not fail any more, and has not begun to work.
func TestNoDataAfterFailure(t *testing.T) {
	var err error
	c := &fake{parts: []string{"a"}}
	c.collect = func(_ context.Context, w *Writer) error {
		w.Part("a", func() error { return err })
		return nil
	}
	s, log := newTestSet(t, nil, c)
	broken := errors.New("broken")
	for _, err = range []error{broken, ErrNoData, nil, ErrNoData, broken} {
		scrape(t, s, time.Minute, Query{})
	}
	for msg, want := range map[string]int{"level=ERROR": 2, "level=INFO": 0, "Nothing of this kind to collect": 2} {
		if n := strings.Count(log.String(), msg); n != want {
			t.Errorf("%s comes %d times, want %d:\n%s", msg, n, want, log)
		}
	}
}

func TestReportAs(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	node := NewReportFamilies("node")
	failing := &fake{parts: []string{"b"}}
	failing.collect = func(_ context.Context, w *Writer) error {
		w.Part("b", func() error { return ErrNoData })
		return nil
	}
	s, err := NewSet([]*Unit{
		NewUnit("one", &fake{parts: []string{"a"}}, log).ReportAs(node), NewUnit("two", failing, log).ReportAs(node),
		NewUnit("three", &fake{parts: []string{"c"}}, log),
	}, SetOptions{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		snap, err := s.Scrape(t.Context(), Query{})
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		mfs, _ := snap.Gather()
		for _, mf := range mfs {
			for _, m := range mf.Metric {
				if strings.HasPrefix(mf.GetName(), "node_") {
					values[mf.GetName()+" "+m.Label[0].GetValue()] = m.Gauge.GetValue()
				}
			}
		}
		for _, part := range []string{"a", "b"} {
			if d, ok := values[node.Duration.Name+" "+part]; !ok || d < 0 || d > 10 {
				t.Errorf("duration of %s: %v", part, d)
			}
			delete(values, node.Duration.Name+" "+part)
		}
		if diff := cmp.Diff(map[string]float64{"node_scrape_collector_success a": 1, "node_scrape_collector_success b": 0}, values); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := len(snap.Duplicates()); n > 0 {
			t.Errorf("duplicates: %v", snap.Duplicates())
		}
	}
}

// handlerMetrics returns what the registry has of scrapes, by name and label.
func handlerMetrics(t *testing.T, reg prometheus.Gatherer) map[string]float64 {
	t.Helper()
	mfs, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, mf := range mfs {
		for _, m := range mf.Metric {
			name := strings.TrimPrefix(mf.GetName(), "promhttp_metric_handler_")
			if len(m.Label) > 0 {
				name += " " + m.Label[0].GetValue()
			}
			got[name], _ = simpleValue(m)
		}
	}
	return got
}

func TestRequestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	e := newTestExposer(ExposerOptions{Registerer: reg, MaxRequests: 1})
	broken := errors.New("broken")
	var ownErr error
	own := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, ownErr })
	c := &fake{parts: []string{"a"}}
	s, _ := newTestSet(t, own, c)
	h := e.Metrics(func() *Set { return s })
	want := map[string]float64{"requests_total 200": 0, "requests_total 500": 0, "requests_total 503": 0, "requests_in_flight": 0, "errors_total encoding": 0, "errors_total gathering": 0}
	check := func(step string) {
		t.Helper()
		if diff := cmp.Diff(want, handlerMetrics(t, reg)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	check("at first")
	get(h, "/metrics")
	want["requests_total 200"] = 1
	check("answered")
	get(h, "/metrics?collect[]=x")
	want["requests_total 400"] = 1
	check("refused")
	ownErr = broken
	get(h, "/metrics")
	want["requests_total 200"], want["errors_total gathering"] = 2, 1
	check("own metrics failed")
	ownErr = nil
	h.ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	want["requests_total 200"], want["errors_total encoding"] = 3, 1
	check("client gone")

	synctest.Test(t, func(*testing.T) {
		release := make(chan struct{})
		c.collect = func(_ context.Context, w *Writer) error { <-release; return c.record(w) }
		done := make(chan struct{})
		go func() { get(h, "/metrics"); close(done) }()
		synctest.Wait()
		want["requests_in_flight"] = 1
		check("in flight")
		get(h, "/metrics")
		want["requests_total 503"] = 1
		check("too many")
		close(release)
		<-done
		want["requests_in_flight"], want["requests_total 200"] = 0, 4
		check("in the end")
	})

	quiet := newTestExposer(ExposerOptions{}).Metrics(func() *Set { return s })
	c.collect = nil
	if w := get(quiet, "/metrics"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "promhttp") {
		t.Errorf("without a registerer: %d\n%s", w.Code, w.Body)
	}
	check("another exposer's")
}

// gone is a client that does not take the answer.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
