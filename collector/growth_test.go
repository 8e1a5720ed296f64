package collector

import (
	"context"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// restless is a collector whose series, families and selected parts change from one collection to the next.
type restless struct {
	stable, changing, legacy *Family
	kept                     *Series
	n                        int
	registry                 *prometheus.Registry
}

func newRestless() *restless {
	r := &restless{
		stable:   &Family{Name: "stable", Help: "S.", Type: Gauge, Labels: []string{"id"}},
		changing: &Family{Name: "changing", Help: "C.", Type: Gauge, Labels: []string{"id", "kind"}},
		legacy:   &Family{Name: "new_name", Legacy: "old_name", Help: "L.", Type: Counter, Labels: []string{"id"}},
		registry: prometheus.NewRegistry(),
	}
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gathered", Help: "G."}, []string{"id"})
	for i := range 5 {
		vec.WithLabelValues(strconv.Itoa(i)).Set(1)
	}
	r.registry.MustRegister(vec)
	return r
}

func (r *restless) Parts() []Part {
	return []Part{{Name: "known", Default: true}, {Name: "unknown", Default: true}, {Name: "gathered", Default: true}}
}

func (r *restless) Collect(_ context.Context, w *Writer) error {
	r.n++
	w.Part("known", func() error {
		for i := range 20 {
			w.Add(r.stable, float64(r.n), strconv.Itoa(i))
			w.Add(r.legacy, float64(r.n), strconv.Itoa((i+r.n)%20))
		}
		if r.n%7 != 0 {
			if r.kept == nil {
				r.kept = w.Series(r.stable, "kept")
			}
			r.kept.Set(1)
		}
		return nil
	})
	w.Part("unknown", func() error {
		for i := range 10 {
			w.Add(r.changing, 1, strconv.Itoa(r.n*10+i), "\xff"+strconv.Itoa(r.n))
		}
		if r.n%10 == 0 { // as settings of a server do after an upgrade
			w.Add(&Family{Name: "family_" + strconv.Itoa(r.n), Help: "F.", Labels: []string{"x"}}, 1, "y")
		}
		if r.n%50 == 0 {
			panic("now and then")
		}
		return nil
	})
	w.Part("gathered", func() error { return w.Gather(r.registry) })
	return nil
}

// TestNothingGrows scrapes 10,000 times in every format and coding.
func TestNothingGrows(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	s, err := NewSet([]*Unit{NewUnit("restless", newRestless(), log), NewUnit("fake", &fake{parts: []string{"a", "b"}}, log)},
		SetOptions{Own: []*Unit{ownUnit(prometheus.NewRegistry())}, LegacyNames: true, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	h := newTestExposer(ExposerOptions{OpenMetrics: true}).Metrics(func() *Set { return s })
	requests := [][]string{
		{"/metrics"},
		{"/metrics", "Accept-Encoding", "gzip"},
		{"/metrics?collect[]=known", "Accept-Encoding", "zstd"},
		{"/metrics?exclude[]=known"},
		{"/metrics", "Accept", acceptText},
		{"/metrics", "Accept", acceptProtos},
	}
	scrapes := func(n int) (heap uint64, goroutines, fds int) {
		for i := range n {
			r := requests[i%len(requests)]
			if w := get(h, r[0], r[1:]...); w.Code != 200 {
				t.Fatalf("%d\n%s", w.Code, w.Body)
			}
		}
		for range 3 { // what is pooled survives the first
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine(), descriptors(t)
	}
	heap, goroutines, fds := scrapes(1000)
	heapNow, goroutinesNow, fdsNow := scrapes(10_000)
	t.Logf("%d bytes, %d goroutines, %d descriptors have become %d, %d, %d", heap, goroutines, fds, heapNow, goroutinesNow, fdsNow)
	const slack = 128 << 10
	if heapNow > heap+slack {
		t.Errorf("%d bytes of heap have become %d", heap, heapNow)
	}
	if goroutinesNow > goroutines+1 { // one may be about to end
		t.Errorf("%d goroutines have become %d", goroutines, goroutinesNow)
	}
	if fdsNow > fds {
		t.Errorf("%d descriptors have become %d", fds, fdsNow)
	}
	runtime.KeepAlive(h) // what is kept of the scrapes is below it
}

// TestScrapeAllocations bounds what a scrape allocates: so many times for each unit, however many series there are.
func TestScrapeAllocations(t *testing.T) {
	allocations := func(series int, legacy bool) float64 {
		values := make([]string, series/10)
		for i := range values {
			values[i] = strconv.Itoa(i)
		}
		families := make([]*Family, 10)
		for i := range families {
			families[i] = &Family{Name: "f_" + strconv.Itoa(i), Legacy: "former_" + strconv.Itoa(i), Help: "F.", Type: Counter, Labels: []string{"a", "b"}}
		}
		c := &fake{parts: []string{"a"}}
		record := func(w *Writer) func() error {
			return func() error {
				for _, f := range families {
					for _, v := range values {
						w.Add(f, 1.5, v, "constant")
					}
				}
				return nil
			}
		}
		c.collect = func(_ context.Context, w *Writer) error { w.Part("a", record(w)); return nil }
		log := slog.New(slog.DiscardHandler)
		s, err := NewSet([]*Unit{NewUnit("a", c, log)}, SetOptions{LegacyNames: legacy, Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		var buf []byte
		return testing.AllocsPerRun(50, func() {
			snap, err := s.Scrape(t.Context(), Query{})
			if err != nil {
				t.Fatal(err)
			}
			buf = snap.AppendText(buf[:0])
		})
	}
	few, many := allocations(2500, false), allocations(25_000, false)
	fewLegacy, manyLegacy := allocations(2500, true), allocations(25_000, true)
	t.Logf("%v for 2,500 series, %v for 25,000; with legacy names %v and %v", few, many, fewLegacy, manyLegacy)
	if few > 40 || many > 40 {
		t.Errorf("a scrape of one unit allocates %v times with 2,500 series and %v with 25,000, more than 40", few, many)
	}
	if fewLegacy > few+5 || manyLegacy > many+5 {
		t.Errorf("legacy names allocate %v and %v times more", fewLegacy-few, manyLegacy-many)
	}
}

func TestLegacyNames(t *testing.T) {
	renamed := &Family{Name: "b_total", Legacy: "z", Help: "B.", Type: Counter, Labels: []string{"x", "a"}}
	split := &Family{Name: "c_total", Legacy: "z", Help: "C.", Type: Counter, Labels: []string{"a", "x"}}
	taken := &Family{Name: "d_total", Legacy: "a", Help: "D.", Type: Counter, Labels: []string{"l"}}
	called := &Family{Name: "a", Help: "A.", Type: Gauge, Labels: []string{"l"}}
	results := func() []*result {
		one, two := newWriter(nil), newWriter(nil)
		one.begin("")
		one.Add(taken, 1, "1")
		one.Add(taken, 2, "2")
		one.Add(renamed, 3, "x\n", "a")
		two.begin("")
		two.Add(split, 4, "a", "x\n")
		two.Add(split, 5, "b", "x")
		two.Add(called, 6, "2")
		return []*result{one.finish(), two.finish()}
	}
	const without = `# HELP a A.
# TYPE a gauge
a{l="2"} 6
# HELP b_total B.
# TYPE b_total counter
b_total{a="a",x="x\n"} 3
# HELP c_total C.
# TYPE c_total counter
c_total{a="a",x="x\n"} 4
c_total{a="b",x="x"} 5
# HELP d_total D.
# TYPE d_total counter
d_total{l="1"} 1
d_total{l="2"} 2
`
	s := newSnapshot(false, results()...)
	if diff := cmp.Diff(without, checkText(t, s)); diff != "" {
		t.Errorf("without legacy names (-want +got):\n%s", diff)
	}
	// What really has the name wins over what only had it, and the first of two that had it over the second.
	want := strings.Replace(without, "a{l=\"2\"} 6\n", "a{l=\"2\"} 6\na{l=\"1\"} 1\n", 1) + `# HELP z Former name of b_total.
# TYPE z counter
z{a="a",x="x\n"} 3
z{a="b",x="x"} 5
`
	s = newSnapshot(true, results()...)
	if diff := cmp.Diff(want, checkText(t, s)); diff != "" {
		t.Errorf("with legacy names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "z": 1}, s.Duplicates()); diff != "" {
		t.Errorf("duplicates (-want +got):\n%s", diff)
	}
}
