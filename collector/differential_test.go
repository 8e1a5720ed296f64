package collector

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// recorded is a family with its samples, from which both sides of a comparison are made.
type recorded struct {
	family *Family
	values [][]string
	value  float64
}

// expected is what Prometheus' own types say about the recorded families, made without any of this package's code. Every
// family is there under its legacy name as well.
func expected(families []recorded) (mfs []*dto.MetricFamily) {
	types := map[Type]dto.MetricType{Untyped: dto.MetricType_UNTYPED, Counter: dto.MetricType_COUNTER, Gauge: dto.MetricType_GAUGE}
	add := func(r recorded, name, help string) {
		mf := &dto.MetricFamily{Name: &name, Type: new(types[r.family.Type])}
		if help != "" {
			mf.Help = &help
		}
		for _, values := range r.values {
			m := &dto.Metric{}
			for i, l := range r.family.Labels {
				m.Label = append(m.Label, &dto.LabelPair{Name: new(labelName(l)), Value: new(strings.ToValidUTF8(values[i], "\uFFFD"))})
			}
			slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
			switch r.family.Type {
			case Counter:
				m.Counter = &dto.Counter{Value: new(r.value)}
			case Gauge:
				m.Gauge = &dto.Gauge{Value: new(r.value)}
			default:
				m.Untyped = &dto.Untyped{Value: new(r.value)}
			}
			mf.Metric = append(mf.Metric, m)
		}
		mfs = append(mfs, mf)
	}
	for _, r := range families {
		name := metricName(r.family.Name)
		add(r, name, strings.ToValidUTF8(r.family.Help, "\uFFFD"))
		if r.family.Legacy != "" {
			add(r, metricName(r.family.Legacy), "Former name of "+name+".")
		}
	}
	slices.SortFunc(mfs, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return mfs
}

func metricName(s string) string { return model.EscapeName(s, model.UnderscoreEscaping) }

func labelName(s string) string { return strings.ReplaceAll(metricName(s), ":", "_") }

// scrapeAs asks for a snapshot of what the families hold in the way that a server does.
func scrapeAs(t *testing.T, url, accept, coding string) (http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", coding)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s", resp.Status)
	}
	return resp.Header, unpack(t, resp.Header, resp.Body)
}

func decodeAll(t *testing.T, h http.Header, body []byte) (mfs []*dto.MetricFamily) {
	t.Helper()
	dec := expfmt.NewDecoder(bytes.NewReader(body), expfmt.ResponseFormat(h))
	for {
		mf := &dto.MetricFamily{}
		switch err := dec.Decode(mf); {
		case errors.Is(err, io.EOF):
			return mfs
		case err != nil:
			t.Fatal(err)
		}
		mfs = append(mfs, mf)
	}
}

// described writes families out in protobuf's own text form, which tells NaN and -0 from other numbers and has all digits.
func described(mfs []*dto.MetricFamily) (out []string) {
	for _, mf := range mfs {
		out = append(out, mf.String())
	}
	return out
}

// FuzzDifferential holds both encodings to what Prometheus' own encoders make of the same names, texts and numbers.
func FuzzDifferential(f *testing.F) {
	f.Add("requests_total", "requests", "Help.", "status", "code", "200", "x", "500", "y", 1.5, uint8(1))
	f.Add("0-bad.name", "é", "a\nb\\ \"c\"", "é", "le", "\"", "\\\n", "\xff", "\\n", math.Inf(1), uint8(2))
	f.Add("a:b", "", "", "_", "a:b", "", "\r\n\t\x00", "\u2028", "", math.NaN(), uint8(0))
	f.Add("x", "w", "\xffh\xfe", "b", "a", "1", "22", "12", "2", math.Copysign(0, -1), uint8(1))
	f.Add("tiny", "", "T.", "b", "a", "1", "22", "\xed\xa0\x80", "\U0001F600", math.SmallestNonzeroFloat64, uint8(2))
	f.Add("huge", "old", "H.", "quantile", "bucket", "{", "}", ",", "=", -math.MaxFloat64, uint8(0))
	f.Add("ticks", "z", "H.", "cpu", "mode", "0", "user", "0", "idle", 31234.07, uint8(1))
	f.Fuzz(func(t *testing.T, name, legacy, help, l1, l2, v1, v2, v3, v4 string, v float64, typ uint8) {
		n1, n2 := labelName(l1), labelName(l2)
		if name == "" || l1 == "" || l2 == "" || n1 == n2 || n1 == model.MetricNameLabel || n2 == model.MetricNameLabel ||
			metricName(name) == metricName(legacy) || name == "plain" || metricName(legacy) == "plain" {
			t.Skip("refused, or merged with another family")
		}
		families := []recorded{
			{&Family{Name: name, Legacy: legacy, Help: help, Type: Type(typ % 3), Labels: []string{l1, l2}}, [][]string{{v1, v2}}, v},
			{&Family{Name: "plain", Help: help, Type: Type(typ / 3 % 3)}, [][]string{{}}, -v},
		}
		if strings.ToValidUTF8(v1, "\uFFFD") != strings.ToValidUTF8(v3, "\uFFFD") {
			families[0].values = append(families[0].values, []string{v3, v4})
		}
		w := newWriter(nil)
		want := expected(families)
		for range 3 { // unknown, known, and known in another order
			w.begin("")
			for _, r := range families {
				for _, values := range r.values {
					w.Add(r.family, r.value, values...)
				}
			}
			s := newSnapshot(true, w.finish())
			got, err := s.Gather()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(described(want), described(got)); diff != "" {
				t.Errorf("protobuf (-want +got):\n%s", diff)
			}
			var text bytes.Buffer
			for _, mf := range want {
				if _, err := expfmt.MetricFamilyToText(&text, mf); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(text.String(), string(s.AppendText(nil))); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			slices.Reverse(families)
		}
	})
}

// What Prometheus asks for: without further configuration, and with scrape_native_histograms.
const (
	acceptText   = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
	acceptProtos = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6," + acceptText
)

// TestNativeHistogram hands a native histogram with an exemplar from a registry over to a server, in every format.
func TestNativeHistogram(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "latency_seconds", Help: "Latency.", Buckets: []float64{0.1, 1}, NativeHistogramBucketFactor: 1.1,
	}, []string{"handler"})
	requests := prometheus.NewCounter(prometheus.CounterOpts{Name: "requests_total", Help: "Requests."})
	reg.MustRegister(h, requests)
	for i := range 100 {
		h.WithLabelValues("/a").(prometheus.ExemplarObserver).ObserveWithExemplar(math.Exp(float64(i)/10-7), prometheus.Labels{"trace": "f00"})
	}
	requests.(prometheus.ExemplarAdder).AddWithExemplar(3, prometheus.Labels{"trace": "f00"})
	c := &fake{parts: []string{"a"}}
	c.collect = func(_ context.Context, w *Writer) error {
		w.Part("a", func() error { return w.Gather(reg) })
		return nil
	}
	s, _ := newTestSet(t, nil, c)
	e := newTestExposer(ExposerOptions{OpenMetrics: true})
	server := httptest.NewServer(e.Metrics(func() *Set { return s }))
	defer server.Close()

	want, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		header, body := scrapeAs(t, server.URL, acceptProtos, coding)
		got := slices.DeleteFunc(decodeAll(t, header, body), func(mf *dto.MetricFamily) bool { return strings.HasPrefix(mf.GetName(), "chronoops_") })
		if diff := cmp.Diff(described(want), described(got)); diff != "" {
			t.Errorf("protobuf in %s (-want +got):\n%s", coding, diff)
		}
		if native := got[0].Metric[0].Histogram; native.GetSchema() == 0 || len(native.PositiveSpan) == 0 || len(native.Bucket) == 0 {
			t.Errorf("the histogram is not native and classic: %v", native)
		}

		header, body = scrapeAs(t, server.URL, acceptText, coding)
		if got := header.Get("Content-Type"); !strings.HasPrefix(got, "application/openmetrics-text; version=1.0.0") {
			t.Errorf("content type %q", got)
		}
		for _, line := range []string{
			"# TYPE requests counter\n", "\nrequests_total 3.0 # {trace=\"f00\"} 3.0 ", "# TYPE latency_seconds histogram\n",
			"\nlatency_seconds_bucket{handler=\"/a\",le=\"+Inf\"} 100 # {trace=\"f00\"} ", "\n# EOF\n",
		} {
			if !strings.Contains(string(body), line) {
				t.Errorf("OpenMetrics in %s has no %q:\n%s", coding, line, body)
			}
		}

		header, body = scrapeAs(t, server.URL, "text/plain", coding)
		if got := header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
			t.Errorf("content type %q", got)
		}
		for _, line := range []string{"\nrequests_total 3\n", "\nlatency_seconds_bucket{handler=\"/a\",le=\"+Inf\"} 100\n", "\nlatency_seconds_count{handler=\"/a\"} 100\n"} {
			if !strings.Contains(string(body), line) {
				t.Errorf("text in %s has no %q:\n%s", coding, line, body)
			}
		}
	}
}
