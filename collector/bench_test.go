package collector

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// benchSizes are the numbers of series that are measured: of a server with everything on it, and of a very large one.
var benchSizes = []int{2500, 25_000}

// bench is 250 families of counters with as many label sets each as it takes, for both sides of the comparison.
type bench struct {
	families []*Family
	descs    []*prometheus.Desc
	labels   []string
}

func newBench(series int) *bench {
	b := &bench{families: make([]*Family, 250), descs: make([]*prometheus.Desc, 250), labels: make([]string, series/250)}
	for i := range b.families {
		f := &Family{Name: "bench_family_" + strconv.Itoa(i) + "_total", Help: "A family of the benchmark.", Type: Counter, Labels: []string{"datname", "state"}}
		b.families[i], b.descs[i] = f, prometheus.NewDesc(f.Name, f.Help, f.Labels, nil)
	}
	for i := range b.labels {
		b.labels[i] = fmt.Sprintf("database_%02d", i) // a registry sorts them
	}
	return b
}

// value is a sample of every kind in turn: a small number, a large one, clock ticks in seconds, and one of many digits.
func (b *bench) value(family, label int) float64 {
	n := family*1000 + label
	switch family % 4 {
	case 0:
		return float64(n)
	case 1:
		return float64(n) * 4096 * 1024
	case 2:
		return float64(n) / 100
	default:
		return float64(n) / 3
	}
}

func (b *bench) Parts() []Part {
	return []Part{{Name: "bench", Default: true, Families: b.families}}
}

// Collect records as collectors do.
func (b *bench) Collect(_ context.Context, w *Writer) error {
	w.Part("bench", func() error {
		for i, f := range b.families {
			for j, l := range b.labels {
				w.Add(f, b.value(i, j), l, "active")
			}
		}
		return nil
	})
	return nil
}

// constMetrics exposes the same series the way exporters do.
type constMetrics struct{ *bench }

func (constMetrics) Describe(chan<- *prometheus.Desc) {}

func (c constMetrics) Collect(ch chan<- prometheus.Metric) {
	for i, d := range c.descs {
		for j, l := range c.labels {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, c.value(i, j), l, "active")
		}
	}
}

// clientGolang returns a scrape with client_golang's registry and Prometheus' text encoder.
func (b *bench) clientGolang(t testing.TB) func(buf *bytes.Buffer) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(constMetrics{b})
	return func(buf *bytes.Buffer) {
		mfs, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, mf := range mfs {
			if _, err := expfmt.MetricFamilyToText(buf, mf); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestBenchmarkIsFair holds both sides of the benchmark to the same bytes.
func TestBenchmarkIsFair(t *testing.T) {
	b := newBench(benchSizes[0])
	var want bytes.Buffer
	b.clientGolang(t)(&want)
	w := newWriter([]string{"bench"})
	w.begin("1")
	if err := b.Collect(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(newSnapshot(false, w.finish()).AppendText(nil))); diff != "" {
		t.Errorf("(-client_golang +ours):\n%s", diff)
	}
}

// BenchmarkScrape is a whole scrape to text.
func BenchmarkScrape(b *testing.B) {
	for _, n := range benchSizes {
		b.Run("ours/"+strconv.Itoa(n), func(b *testing.B) {
			log := slog.New(slog.DiscardHandler)
			s, err := NewSet([]*Unit{NewUnit("bench", newBench(n), log)}, SetOptions{Logger: log})
			if err != nil {
				b.Fatal(err)
			}
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				snap, err := s.Scrape(b.Context(), Query{})
				if err != nil {
					b.Fatal(err)
				}
				buf = snap.AppendText(buf[:0])
			}
			b.SetBytes(int64(len(buf)))
		})
		b.Run("client_golang/"+strconv.Itoa(n), func(b *testing.B) {
			scrape := newBench(n).clientGolang(b)
			var buf bytes.Buffer
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				scrape(&buf)
			}
			b.SetBytes(int64(buf.Len()))
		})
	}
}

// BenchmarkWriterAdd records known series, in the order of the collection before, without encoding.
func BenchmarkWriterAdd(b *testing.B) {
	c, w := newBench(benchSizes[0]), newWriter([]string{"bench"})
	b.ReportAllocs()
	for b.Loop() {
		w.begin("1")
		_ = c.Collect(b.Context(), w)
		w.finish()
	}
}

// BenchmarkAppendText encodes one snapshot.
func BenchmarkAppendText(b *testing.B) {
	w := newWriter([]string{"bench"})
	w.begin("1")
	_ = newBench(benchSizes[0]).Collect(b.Context(), w)
	s := newSnapshot(false, w.finish())
	buf := s.AppendText(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendText(buf[:0])
	}
}

// BenchmarkManyUnits is a scrape of twelve units that have next to nothing to collect: what the scrape itself costs.
func BenchmarkManyUnits(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	var units []*Unit
	for i := range 12 {
		units = append(units, NewUnit(strconv.Itoa(i), &fake{parts: []string{"part " + strconv.Itoa(i)}}, log))
	}
	s, err := NewSet(units, SetOptions{Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Scrape(b.Context(), Query{}); err != nil {
			b.Fatal(err)
		}
	}
}
