package collector

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// benchFamilies and benchLabels make 2,500 series: 250 families of ten label sets.
var (
	benchFamilies = func() []*Family {
		fs := make([]*Family, 250)
		for i := range fs {
			fs[i] = &Family{Name: "bench_family_" + strconv.Itoa(i) + "_total", Help: "A family of the benchmark.", Type: Counter, Labels: []string{"datname", "state"}}
		}
		return fs
	}()
	benchLabels = func() []string {
		ls := make([]string, 10)
		for i := range ls {
			ls[i] = "database_" + strconv.Itoa(i)
		}
		return ls
	}()
)

type benchCollector struct{}

func (benchCollector) Parts() []Part {
	return []Part{{Name: "bench", Default: true, Families: benchFamilies}}
}

func (benchCollector) Collect(_ context.Context, w *Writer) error {
	w.Part("bench", func() error {
		for i, f := range benchFamilies {
			for j, l := range benchLabels {
				w.Add(f, float64(i*1000+j)*1.25, l, "active")
			}
		}
		return nil
	})
	return nil
}

// BenchmarkScrape is a whole scrape of 2,500 series to text.
func BenchmarkScrape(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	s, err := NewSet([]*Unit{NewUnit("bench", benchCollector{}, log)}, SetOptions{Logger: log})
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		snap, err := s.Scrape(context.Background(), Query{})
		if err != nil {
			b.Fatal(err)
		}
		buf = snap.AppendText(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

// BenchmarkWriterAdd records 2,500 known series, without encoding.
func BenchmarkWriterAdd(b *testing.B) {
	w := newWriter([]string{"bench"})
	b.ReportAllocs()
	for b.Loop() {
		w.begin([]bool{true})
		_ = benchCollector{}.Collect(context.Background(), w)
	}
}

// BenchmarkAppendText encodes a snapshot of 2,500 series.
func BenchmarkAppendText(b *testing.B) {
	w := newWriter([]string{"bench"})
	w.begin([]bool{true})
	_ = benchCollector{}.Collect(context.Background(), w)
	s := newSnapshot(false, w.finish())
	buf := s.AppendText(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendText(buf[:0])
	}
}

// constMetrics exposes the same series the way exporters do.
type constMetrics struct{ descs []*prometheus.Desc }

func (constMetrics) Describe(chan<- *prometheus.Desc) {}

func (c constMetrics) Collect(ch chan<- prometheus.Metric) {
	for i, d := range c.descs {
		for j, l := range benchLabels {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(i*1000+j)*1.25, l, "active")
		}
	}
}

// BenchmarkClientGolang is the yardstick: the same scrape with client_golang's registry and Prometheus' text encoder.
func BenchmarkClientGolang(b *testing.B) {
	var c constMetrics
	for _, f := range benchFamilies {
		c.descs = append(c.descs, prometheus.NewDesc(f.Name, f.Help, f.Labels, nil))
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		mfs, err := reg.Gather()
		if err != nil {
			b.Fatal(err)
		}
		for _, mf := range mfs {
			if _, err := expfmt.MetricFamilyToText(&buf, mf); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.SetBytes(int64(buf.Len()))
}
