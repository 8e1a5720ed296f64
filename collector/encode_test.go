package collector

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// record returns the snapshot of one collection made by fn.
func record(fn func(w *Writer)) *Snapshot {
	w := newWriter(nil)
	w.begin("")
	fn(w)
	return newSnapshot(false, w.finish())
}

// viaExpfmt encodes the snapshot's families with Prometheus' own encoder.
func viaExpfmt(t testing.TB, s *Snapshot) string {
	t.Helper()
	mfs, err := s.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, mf := range mfs {
		if _, err := expfmt.MetricFamilyToText(&b, mf); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// checkText holds both encodings equal and the text readable.
func checkText(t testing.TB, s *Snapshot) string {
	t.Helper()
	text := string(s.AppendText(nil))
	if diff := cmp.Diff(viaExpfmt(t, s), text); diff != "" {
		t.Errorf("text and protobuf differ (-expfmt +text):\n%s", diff)
	}
	if !utf8.ValidString(text) {
		t.Errorf("text is not UTF-8: %q", text)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	mfs, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Errorf("cannot parse own text: %v\n%s", err, text)
	}
	n := 0
	for _, mf := range mfs {
		n += len(mf.Metric)
	}
	if n != s.Series() {
		t.Errorf("parsed %d series, recorded %d:\n%s", n, s.Series(), text)
	}
	return text
}

func TestText(t *testing.T) {
	requests := &Family{Name: "requests_total", Help: "Requests.\nWith \\ and \"quotes\".", Type: Counter, Labels: []string{"status", "method"}}
	up := &Family{Name: "up", Help: "Whether it is up.", Type: Gauge}
	bare := &Family{Name: "bare", Labels: []string{"v"}}
	s := record(func(w *Writer) {
		w.Add(up, 1)
		w.Add(requests, 3, "200", "GET")
		w.Add(requests, 1e6, "500", "a\"b\\c\nd")
		w.Add(bare, math.NaN(), "nan")
		w.Add(bare, math.Inf(1), "+inf")
		w.Add(bare, math.Inf(-1), "-inf")
		w.Add(bare, math.Copysign(0, -1), "-0")
		w.Add(bare, 0.1, "\xff")
		w.Add(bare, 999999, "")
	})
	want := `# TYPE bare untyped
bare{v="nan"} NaN
bare{v="+inf"} +Inf
bare{v="-inf"} -Inf
bare{v="-0"} 0
bare{v="` + "\uFFFD" + `"} 0.1
bare{v=""} 999999
# HELP requests_total Requests.\nWith \\ and "quotes".
# TYPE requests_total counter
requests_total{method="GET",status="200"} 3
requests_total{method="a\"b\\c\nd",status="500"} 1e+06
# HELP up Whether it is up.
# TYPE up gauge
up 1
`
	if diff := cmp.Diff(want, checkText(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzEncodings(f *testing.F) {
	f.Add("requests_total", "Help.", "status", "code", "200", "x", "500", "y", 1.5, uint8(1))
	f.Add("0-bad.name", "a\nb\\", "é", "le", "\"", "\\\n", "\xff", "\xfe", math.Inf(1), uint8(2))
	f.Add("a:b", "", "_", "a:b", "", "", "", "", math.NaN(), uint8(0))
	f.Add("x", "\xff", "a", "b", "1", "22", "12", "2", math.Copysign(0, -1), uint8(7))
	f.Add("y", "", "a:b", "c.d", "1", "22", "12", "2", 1.0, uint8(200))
	f.Add("z.z", "\xff\n", "a", "le", "\xff", "\xfe", "a", "b", 1e-300, uint8(131))
	f.Fuzz(func(t *testing.T, name, help, l1, l2, v1, v2, v3, v4 string, v float64, typ uint8) {
		valid1, valid2 := validLabelName(l1), validLabelName(l2)
		if name == "" || l1 == "" || l2 == "" || l1 == model.MetricNameLabel || l2 == model.MetricNameLabel ||
			valid1 == valid2 || valid1 == model.MetricNameLabel || valid2 == model.MetricNameLabel {
			t.Skip("refused by newFamily")
		}
		fam := &Family{Name: name, Help: help, Type: Type(typ % 3), Labels: []string{l1, l2}}
		other := &Family{Name: name, Help: "Another declaration.", Type: Counter, Labels: []string{l2, l1}}
		mixed := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			return []*dto.MetricFamily{{Name: &name, Help: &help, Type: new(dto.MetricType_GAUGE), Metric: []*dto.Metric{
				{Label: []*dto.LabelPair{{Name: &l1, Value: &v1}}, Gauge: &dto.Gauge{Value: &v}},
				{Label: []*dto.LabelPair{{Name: &l1, Value: &v1}, {Name: &l2, Value: &v2}}, Gauge: &dto.Gauge{Value: &v}},
			}}}, nil
		})
		for range 2 {
			s := record(func(w *Writer) {
				w.Add(fam, v, v1, v2)
				w.Add(fam, v, v3, v4)
				w.Series(fam, v2, v1).Set(-v)
				w.Add(other, v*1e3, v4, v1)
				if typ > 127 {
					_ = w.Gather(mixed) // what cannot be exposed is refused with an error; the rest must be right
				}
			})
			checkText(t, s)
		}
	})
}

func TestDuplicates(t *testing.T) {
	a := &Family{Name: "a", Help: "First.", Type: Gauge, Labels: []string{"x", "y"}}
	same := &Family{Name: "a", Help: "Second.", Type: Counter, Labels: []string{"y", "x"}}
	w1, w2 := newWriter(nil), newWriter(nil)
	w1.begin("")
	w1.Add(a, 1, "1", "2")
	w1.Add(a, 2, "1", "2")
	w1.Add(a, 3, "\xff", "")
	w1.Add(a, 4, "\xfe", "")
	w2.begin("")
	w2.Add(same, 5, "2", "1")
	w2.Add(same, 6, "3", "1")
	s := newSnapshot(false, w1.finish(), w2.finish())
	want := "# HELP a First.\n# TYPE a gauge\na{x=\"1\",y=\"2\"} 1\na{x=\"\uFFFD\",y=\"\"} 3\na{x=\"1\",y=\"3\"} 6\n"
	if diff := cmp.Diff(want, checkText(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"a": 3}, s.Duplicates()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGatherMerges(t *testing.T) {
	reg := prometheus.NewRegistry()
	hist := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Help: "H.", Buckets: []float64{1, 2}})
	hist.Observe(1.5)
	shared := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "shared", Help: "S."}, []string{"l"})
	shared.WithLabelValues("a").Set(1)
	shared.WithLabelValues("b").Set(2)
	reg.MustRegister(hist, shared)
	w := newWriter(nil)
	w.begin("")
	w.Add(&Family{Name: "shared", Help: "Ours.", Type: Counter, Labels: []string{"l"}}, 7, "a")
	w.Add(&Family{Name: "h", Help: "No histogram.", Type: Gauge}, 7)
	if err := w.Gather(reg); err != nil {
		t.Fatal(err)
	}
	first := w.finish()
	w.begin("")
	if err := w.Gather(reg); err != nil {
		t.Fatal(err)
	}
	w.Add(&Family{Name: "h", Help: "No histogram.", Type: Gauge}, 7)
	second := w.finish()

	for name, test := range map[string]struct {
		results []*result
		want    string
		dups    map[string]int
	}{
		"recorded first": {[]*result{first}, `# HELP h No histogram.
# TYPE h gauge
h 7
# HELP shared Ours.
# TYPE shared counter
shared{l="a"} 7
shared{l="b"} 2
`, map[string]int{"h": 1, "shared": 1}},
		"gathered twice": {[]*result{{gathered: second.gathered}, {gathered: second.gathered, groups: nil}}, `# HELP h H.
# TYPE h histogram
h_bucket{le="1"} 0
h_bucket{le="2"} 1
h_bucket{le="+Inf"} 1
h_sum 1.5
h_count 1
# HELP shared S.
# TYPE shared gauge
shared{l="a"} 1
shared{l="b"} 2
`, map[string]int{"h": 1, "shared": 2}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSnapshot(false, test.results...)
			if diff := cmp.Diff(test.want, checkText(t, s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.dups, s.Duplicates()); diff != "" {
				t.Errorf("duplicates (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGatherRefuses(t *testing.T) {
	one := &dto.Gauge{Value: new(1.0)}
	pair := func(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }
	mf := &dto.MetricFamily{Name: new("with.dots"), Type: new(dto.MetricType_GAUGE), Metric: []*dto.Metric{
		{Gauge: one, Label: []*dto.LabelPair{pair("ok", "1")}},
		{Gauge: one, Label: []*dto.LabelPair{pair("ok", "1")}},
		{Gauge: one, Label: []*dto.LabelPair{pair("ok", "\xff")}},
		{Gauge: one, Label: []*dto.LabelPair{pair("", "1")}},
		{Gauge: one, Label: []*dto.LabelPair{pair("a", "1"), pair("a", "2")}},
		{Counter: &dto.Counter{Value: new(1.0)}},
	}}
	w := newWriter(nil)
	w.begin("")
	err := w.Gather(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return []*dto.MetricFamily{mf, {}}, nil }))
	if err == nil {
		t.Error("no error about the metrics that were dropped")
	}
	want := "# TYPE with_dots gauge\nwith_dots{ok=\"1\"} 1\nwith_dots{ok=\"\uFFFD\"} 1\n"
	if diff := cmp.Diff(want, checkText(t, newSnapshot(false, w.finish()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
