package collector

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// fake is a collector of parts that each record one gauge.
type fake struct {
	parts   []string
	calls   atomic.Int32
	active  atomic.Int32
	most    atomic.Int32
	collect func(ctx context.Context, w *Writer) error // instead of recording all parts
}

var fakeValue = &Family{Name: "a_fake", Help: "A fake.", Type: Gauge, Labels: []string{"part"}}

func (f *fake) Parts() []Part {
	var ps []Part
	for _, p := range f.parts {
		ps = append(ps, Part{Name: p, Default: !strings.HasPrefix(p, "extra"), Families: []*Family{fakeValue}})
	}
	return ps
}

func (f *fake) Collect(ctx context.Context, w *Writer) error {
	f.calls.Add(1)
	f.most.Store(max(f.most.Load(), f.active.Add(1)))
	defer f.active.Add(-1)
	if f.collect != nil {
		return f.collect(ctx, w)
	}
	return f.record(w)
}

func (f *fake) record(w *Writer) error {
	for _, p := range f.parts {
		w.Part(p, func() error { w.Add(fakeValue, 1, p); return nil })
	}
	return nil
}

func newTestSet(t *testing.T, own prometheus.Gatherer, cs ...*fake) (*Set, *syncBuffer) {
	t.Helper()
	var buf syncBuffer
	log := slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var units []*Unit
	for _, c := range cs {
		units = append(units, NewUnit(c.parts[0], c, log))
	}
	s, err := NewSet(units, SetOptions{Own: []*Unit{ownUnit(own)}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return s, &buf
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// scrape returns the value lines of a scrape that may take the given time, without durations and what is not without data.
func scrape(t *testing.T, s *Set, timeout time.Duration, q Query) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	snap, err := s.Scrape(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	return lines(string(snap.AppendText(nil)))
}

func lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "_duration_seconds") && !strings.Contains(line, "duplicate") &&
			(!strings.Contains(line, "_no_data") || !strings.HasSuffix(line, " 0\n")) {
			out = append(out, strings.TrimSpace(strings.NewReplacer("chronoops_scrape_collector_", "", "a_fake", "fake").Replace(line)))
		}
	}
	return out
}

func TestHungCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hung := &fake{parts: []string{"hung", "hung2"}}
		hung.collect = func(_ context.Context, w *Writer) error {
			w.Part("hung2", func() error { w.Add(fakeValue, 1, "hung2"); return nil })
			<-release
			return hung.record(w)
		}
		good := &fake{parts: []string{"good"}}
		s, log := newTestSet(t, nil, hung, good)
		without := []string{`fake{part="good"} 1`, `success{collector="hung"} 0`, `success{collector="hung2"} 0`, `success{collector="good"} 1`}

		start := time.Now()
		if diff := cmp.Diff(without, scrape(t, s, 5*time.Second, Query{})); diff != "" {
			t.Errorf("first scrape (-want +got):\n%s", diff)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("the scrape took %v of its 5s", took)
		}

		start = time.Now()
		for range 3 {
			if diff := cmp.Diff(without, scrape(t, s, 5*time.Second, Query{})); diff != "" {
				t.Errorf("next scrape (-want +got):\n%s", diff)
			}
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("scrapes waited %v for a collector known to hang", took)
		}
		if n := hung.calls.Load(); n != 1 {
			t.Errorf("the hung collector was started %d times", n)
		}

		close(release)
		synctest.Wait()
		hung.collect = nil
		want := []string{
			`fake{part="hung"} 1`, `fake{part="hung2"} 1`, `fake{part="good"} 1`,
			`success{collector="hung"} 1`, `success{collector="hung2"} 1`, `success{collector="good"} 1`,
		}
		if diff := cmp.Diff(want, scrape(t, s, 5*time.Second, Query{})); diff != "" {
			t.Errorf("after it came back (-want +got):\n%s", diff)
		}
		for _, msg := range []string{"did not return before the deadline", "returned after its scrape had ended"} {
			if n := strings.Count(log.String(), msg); n != 1 {
				t.Errorf("%q was logged %d times:\n%s", msg, n, log)
			}
		}
	})
}

func TestCollectorComesBackInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &fake{parts: []string{"fast", "slow"}}
		slow.collect = func(ctx context.Context, w *Writer) error {
			w.Part("fast", func() error { w.Add(fakeValue, 1, "fast"); return nil })
			w.Part("slow", func() error { <-ctx.Done(); return ctx.Err() })
			return nil
		}
		s, _ := newTestSet(t, nil, slow)
		want := []string{`fake{part="fast"} 1`, `success{collector="fast"} 1`, `success{collector="slow"} 0`}
		if diff := cmp.Diff(want, scrape(t, s, time.Second, Query{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestPanicIsolation(t *testing.T) {
	bad := &fake{parts: []string{"before", "bad"}}
	bad.collect = func(_ context.Context, w *Writer) error {
		w.Part("before", func() error { w.Add(fakeValue, 1, "before"); return nil })
		var m map[string]int
		m["x"] = 1 //nolint:govet,staticcheck // the panic is the point
		return nil
	}
	s, log := newTestSet(t, nil, bad, &fake{parts: []string{"good"}})
	want := []string{`fake{part="good"} 1`, `success{collector="before"} 0`, `success{collector="bad"} 0`, `success{collector="good"} 1`}
	for range 3 {
		if diff := cmp.Diff(want, scrape(t, s, time.Minute, Query{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("the panic was logged %d times as an error:\n%s", n, log)
	}
	if !strings.Contains(log.String(), "set_test.go") {
		t.Errorf("the log has no stack:\n%s", log)
	}
}

func TestGoexit(t *testing.T) {
	c := &fake{parts: []string{"a", "b"}}
	c.collect = func(_ context.Context, w *Writer) error {
		w.Part("a", func() error { w.Add(fakeValue, 1, "a"); return nil })
		runtime.Goexit()
		return nil
	}
	s, log := newTestSet(t, nil, c)
	for range 2 {
		want := []string{`fake{part="a"} 1`, `success{collector="a"} 1`, `success{collector="b"} 0`}
		if diff := cmp.Diff(want, scrape(t, s, time.Minute, Query{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if !strings.Contains(log.String(), "ended its goroutine") {
		t.Errorf("nothing in the log:\n%s", log)
	}
}

func TestFailures(t *testing.T) {
	var partErr, err error
	c := &fake{parts: []string{"a"}}
	c.collect = func(_ context.Context, w *Writer) error {
		w.Part("a", func() error { w.Add(fakeValue, 1, "a"); return partErr })
		return err
	}
	s, log := newTestSet(t, nil, c)
	for _, step := range []struct {
		partErr, err error
		a            string
		logged       string
	}{
		{nil, nil, "1", ""},
		{errors.New("broken"), nil, "0", "level=ERROR msg=\"Collection failed\" collector=a part=a err=broken"},
		{errors.New("broken"), nil, "0", "level=DEBUG msg=\"Collection still fails\" collector=a part=a err=broken"},
		{nil, errors.New("no session"), "1", "level=ERROR msg=\"Collection failed\" collector=a err=\"no session\""},
		{nil, nil, "1", "level=INFO msg=\"Collection works again\" collector=a"},
	} {
		partErr, err = step.partErr, step.err
		before := len(log.String())
		want := []string{`fake{part="a"} 1`, `success{collector="a"} ` + step.a}
		if diff := cmp.Diff(want, scrape(t, s, time.Minute, Query{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if logged := log.String()[before:]; !strings.Contains(logged, step.logged) || step.logged == "" && logged != "" {
			t.Errorf("want %q in the log, got %q", step.logged, logged)
		}
	}
}

// A part that says nothing of itself fails, and the log tells.
func TestPartNeverReported(t *testing.T) {
	report := false
	var err error
	c := &fake{parts: []string{"a", "b"}}
	c.collect = func(_ context.Context, w *Writer) error {
		w.Part("a", func() error { return err })
		if report {
			w.Part("b", func() error { return nil })
		}
		return nil
	}
	s, log := newTestSet(t, nil, c)
	for _, step := range []struct {
		report bool
		b      string
		logged string
	}{
		{false, "0", "level=ERROR msg=\"Collection failed\" collector=a part=b err=\"the collector has not reported on the part\""},
		{false, "0", "level=DEBUG msg=\"Collection still fails\" collector=a part=b"},
		{true, "1", "level=INFO msg=\"Collection works again\" collector=a part=b"},
	} {
		report = step.report
		before := len(log.String())
		if diff := cmp.Diff([]string{`success{collector="a"} 1`, `success{collector="b"} ` + step.b}, scrape(t, s, time.Minute, Query{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if logged := log.String()[before:]; !strings.Contains(logged, step.logged) {
			t.Errorf("want %q in the log, got %q", step.logged, logged)
		}
	}
	if diff := cmp.Diff([]string{`success{collector="a"} 1`}, scrape(t, s, time.Minute, Query{Collect: []string{"a"}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	before := len(log.String())
	report, err = false, errors.New("no connection")
	scrape(t, s, time.Minute, Query{})
	if logged := log.String()[before:]; strings.Count(logged, "level=") != 1 || !strings.Contains(logged, "no connection") {
		t.Errorf("a failure that explains the other: logged %s", logged)
	}
}

func TestOverlappingScrapesShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fake{parts: []string{"a", "b"}}
		c.collect = func(ctx context.Context, w *Writer) error {
			select {
			case <-time.After(3 * time.Second):
			case <-ctx.Done():
			}
			return c.record(w)
		}
		s, _ := newTestSet(t, nil, c)
		both := []string{`fake{part="a"} 1`, `fake{part="b"} 1`, `success{collector="a"} 1`, `success{collector="b"} 1`}
		var wg sync.WaitGroup
		at := func(delay, timeout, took time.Duration, q Query, want []string) {
			wg.Go(func() {
				time.Sleep(delay)
				start := time.Now()
				if diff := cmp.Diff(want, scrape(t, s, timeout, q)); diff != "" {
					t.Errorf("scrape at %v (-want +got):\n%s", delay, diff)
				}
				if got := time.Since(start); got != took {
					t.Errorf("scrape at %v took %v, want %v", delay, got, took)
				}
			})
		}
		at(0, 10*time.Second, 3*time.Second, Query{}, both)
		at(time.Second, 10*time.Second, 2*time.Second, Query{}, both)
		at(time.Second, time.Second, time.Second, Query{}, []string{`success{collector="a"} 0`, `success{collector="b"} 0`})
		// Another selection cannot share, and must not run beside it.
		at(2*time.Second, 10*time.Second, 4*time.Second, Query{Collect: []string{"b"}}, []string{`fake{part="b"} 1`, `success{collector="b"} 1`})
		wg.Wait()
		if n := c.calls.Load(); n != 2 {
			t.Errorf("collected %d times, want 2", n)
		}
		if n := c.most.Load(); n != 1 {
			t.Errorf("%d collections ran at once", n)
		}
	})
}

func TestLaterDeadlineKeepsSharedSamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fake{parts: []string{"a"}}
		c.collect = func(_ context.Context, w *Writer) error { time.Sleep(4 * time.Second); return c.record(w) }
		s, _ := newTestSet(t, nil, c)
		var wg sync.WaitGroup
		wg.Go(func() {
			if diff := cmp.Diff([]string{`success{collector="a"} 0`}, scrape(t, s, 2*time.Second, Query{})); diff != "" {
				t.Errorf("short scrape (-want +got):\n%s", diff)
			}
		})
		wg.Go(func() {
			time.Sleep(time.Second)
			if diff := cmp.Diff([]string{`fake{part="a"} 1`, `success{collector="a"} 1`}, scrape(t, s, 9*time.Second, Query{})); diff != "" {
				t.Errorf("long scrape (-want +got):\n%s", diff)
			}
		})
		wg.Wait()
	})
}

// A scrape that joins one of less time is not left with what that one had time for.
func TestJoinerGetsItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fake{parts: []string{"fast", "slow"}}
		c.collect = func(ctx context.Context, w *Writer) error {
			w.Part("fast", func() error { w.Add(fakeValue, 1, "fast"); return nil })
			w.Part("slow", func() error {
				select {
				case <-time.After(4 * time.Second):
					w.Add(fakeValue, 1, "slow")
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			return nil
		}
		hung := &fake{parts: []string{"hung"}}
		hung.collect = func(context.Context, *Writer) error { time.Sleep(time.Minute); return nil }
		s, _ := newTestSet(t, nil, hung, c)
		partial := []string{`fake{part="fast"} 1`, `success{collector="hung"} 0`, `success{collector="fast"} 1`, `success{collector="slow"} 0`}
		whole := []string{
			`fake{part="fast"} 1`, `fake{part="slow"} 1`,
			`success{collector="hung"} 0`, `success{collector="fast"} 1`, `success{collector="slow"} 1`,
		}
		var wg sync.WaitGroup
		for _, at := range []struct {
			delay, timeout time.Duration
			want           []string
		}{
			{0, 2 * time.Second, partial}, {time.Second, 10 * time.Second, whole}, {1500 * time.Millisecond, 10 * time.Second, whole},
		} {
			wg.Go(func() {
				time.Sleep(at.delay)
				if diff := cmp.Diff(at.want, scrape(t, s, at.timeout, Query{})); diff != "" {
					t.Errorf("scrape at %v (-want +got):\n%s", at.delay, diff)
				}
			})
		}
		wg.Wait()
		if n := c.calls.Load(); n != 2 {
			t.Errorf("collected %d times, want 2: the first for the short scrape, one for both others", n)
		}
		time.Sleep(time.Minute) // until the hung one is back
	})
}

// A scrape that has hardly more time than the one that it joins gets what that one found, not what can be found anew in
// the little time left.
func TestJoinerKeepsWhatWasFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fake{parts: []string{"fast", "hangs"}}
		c.collect = func(ctx context.Context, w *Writer) error {
			w.Part("fast", func() error {
				select {
				case <-time.After(time.Second):
					w.Add(fakeValue, 1, "fast")
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			w.Part("hangs", func() error { <-ctx.Done(); return ctx.Err() })
			return nil
		}
		s, _ := newTestSet(t, nil, c)
		var wg sync.WaitGroup
		for _, delay := range []time.Duration{0, 50 * time.Millisecond, 500 * time.Millisecond} {
			wg.Go(func() {
				time.Sleep(delay)
				want := []string{`fake{part="fast"} 1`, `success{collector="fast"} 1`, `success{collector="hangs"} 0`}
				if diff := cmp.Diff(want, scrape(t, s, 10*time.Second, Query{})); diff != "" {
					t.Errorf("scrape at %v (-want +got):\n%s", delay, diff)
				}
			})
		}
		wg.Wait()
		if n := c.calls.Load(); n != 1 {
			t.Errorf("collected %d times, want once", n)
		}
	})
}

// Sets that have a unit in common, as /metrics and /probe do, share its collections unless they select other parts.
func TestSetsShareUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		c := &fake{parts: []string{"a", "b"}}
		c.collect = func(_ context.Context, w *Writer) error {
			for _, p := range c.parts {
				time.Sleep(time.Second)
				w.Part(p, func() error { w.Add(fakeValue, float64(c.calls.Load()), p); return nil })
			}
			return nil
		}
		unit := NewUnit("shared", c, log)
		metrics, err := NewSet([]*Unit{NewUnit("host", &fake{parts: []string{"host"}}, log), unit}, SetOptions{Own: []*Unit{ownUnit(prometheus.NewRegistry())}, Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		probe, err := NewSet([]*Unit{unit}, SetOptions{Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		e := newTestExposer(ExposerOptions{})
		metricsHandler := e.Metrics(func() *Set { return metrics })
		probeHandler := ProbeHandler{Exposer: newTestExposer(ExposerOptions{}), Lookup: func(context.Context, string) *Set { return probe }}
		var wg sync.WaitGroup
		at := func(delay time.Duration, h http.Handler, url string, want ...string) {
			wg.Go(func() {
				time.Sleep(delay)
				got := lines(get(h, url).Body.String())
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s at %v (-want +got):\n%s", url, delay, diff)
				}
			})
		}
		host := []string{`fake{part="host"} 1`}
		of := func(run string, parts ...string) (samples, success []string) {
			for _, p := range parts {
				samples = append(samples, `fake{part="`+p+`"} `+run)
				success = append(success, `success{collector="`+p+`"} 1`)
			}
			return samples, success
		}
		samples, success := of("1", "a", "b")
		at(0, metricsHandler, "/metrics", slices.Concat(host, samples, []string{`success{collector="host"} 1`}, success)...)
		at(1500*time.Millisecond, probeHandler, "/probe?target=x", slices.Concat(samples, success)...)
		onlyB, bSuccess := of("2", "b")
		at(1600*time.Millisecond, probeHandler, "/probe?target=x&collect[]=b", slices.Concat(onlyB, bSuccess)...)
		at(3*time.Second, metricsHandler, "/metrics?collect[]=b", slices.Concat(onlyB, bSuccess)...)
		at(3500*time.Millisecond, metricsHandler, "/metrics?exclude[]=a&exclude[]=host", slices.Concat(onlyB, bSuccess)...)
		wg.Wait()
		if n := c.calls.Load(); n != 2 {
			t.Errorf("collected %d times, want 2", n)
		}
		if n := c.most.Load(); n != 1 {
			t.Errorf("%d collections ran at once", n)
		}
	})
}

func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fake{parts: []string{"a"}}
		c.collect = func(ctx context.Context, w *Writer) error {
			if c.calls.Load() > 1 {
				return c.record(w)
			}
			<-ctx.Done() // the collection is told that nobody waits for it
			time.Sleep(time.Second)
			return ctx.Err()
		}
		s, _ := newTestSet(t, nil, c)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		go func() { time.Sleep(time.Second); cancel() }()
		if _, err := s.Scrape(ctx, Query{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{`fake{part="a"} 1`, `success{collector="a"} 1`}, scrape(t, s, 10*time.Second, Query{})); diff != "" {
			t.Errorf("the scrape after it (-want +got):\n%s", diff)
		}
	})
}

func TestOwnMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chronoops_own", Help: "Own."}, func() float64 { return 1 }))
	s, _ := newTestSet(t, reg, &fake{parts: []string{"a", "b"}})
	got := scrape(t, s, time.Minute, Query{Collect: []string{"a"}})
	if diff := cmp.Diff([]string{`fake{part="a"} 1`, `chronoops_own 1`, `success{collector="a"} 1`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// Units of the process itself have parts that nobody selects, and that may have the name of another's.
	log := slog.New(slog.DiscardHandler)
	unit := NewUnit("process", &fake{parts: []string{"a"}, collect: func(_ context.Context, w *Writer) error {
		w.Part("a", func() error { w.Add(&Family{Name: "process"}, 1); return nil })
		return nil
	}}, log)
	s, err := NewSet([]*Unit{NewUnit("a", &fake{parts: []string{"a", "b"}}, log)}, SetOptions{Own: []*Unit{ownUnit(reg), unit}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	got = scrape(t, s, time.Minute, Query{Collect: []string{"b"}})
	if diff := cmp.Diff([]string{`fake{part="b"} 1`, `chronoops_own 1`, `success{collector="b"} 1`, `process 1`}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDuplicateAcrossCollectors(t *testing.T) {
	a, b := &fake{parts: []string{"a"}}, &fake{parts: []string{"b"}}
	for _, c := range []*fake{a, b} {
		c.collect = func(_ context.Context, w *Writer) error { w.Add(fakeValue, 1, "same"); return c.record(w) }
	}
	s, log := newTestSet(t, nil, a, b)
	for range 2 {
		scrape(t, s, time.Minute, Query{})
	}
	snap, err := s.Scrape(context.Background(), Query{})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(snap.AppendText(nil)); !strings.Contains(text, "\nchronoops_scrape_duplicate_samples_total 2\n") {
		t.Errorf("two scrapes dropped one sample each:\n%s", text)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log)
	}
}

func TestPartNamesMustDiffer(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	units := []*Unit{NewUnit("one", &fake{parts: []string{"x"}}, log), NewUnit("two", &fake{parts: []string{"x"}}, log)}
	if _, err := NewSet(units, SetOptions{Logger: log}); err == nil {
		t.Error("two collectors with the same part were accepted")
	}
}

func TestSelection(t *testing.T) {
	parts := (&fake{parts: []string{"a", "b", "extra"}}).Parts()
	enabled := func(disable bool, explicit map[string]bool) []string {
		t.Helper()
		sel, err := NewSelection(parts, disable, explicit)
		if err != nil {
			t.Fatal(err)
		}
		var on []string
		for _, p := range parts {
			if sel.Enabled(p) {
				on = append(on, p.Name)
			}
		}
		return on
	}
	for _, test := range []struct {
		disable  bool
		explicit map[string]bool
		want     []string
	}{
		{false, nil, []string{"a", "b"}},
		{false, map[string]bool{"a": false, "extra": true}, []string{"b", "extra"}},
		{true, nil, nil},
		{true, map[string]bool{"b": true}, []string{"b"}},
	} {
		if diff := cmp.Diff(test.want, enabled(test.disable, test.explicit)); diff != "" {
			t.Errorf("disable %v, %v (-want +got):\n%s", test.disable, test.explicit, diff)
		}
	}
	if _, err := NewSelection(parts, false, map[string]bool{"typo": true}); err == nil {
		t.Error("an unknown name was accepted")
	}
}

func TestQuery(t *testing.T) {
	known, enabled := []string{"a", "b", "extra"}, []string{"a", "b"}
	for _, test := range []struct {
		q    Query
		want []string
		err  string
	}{
		{Query{}, []string{"a", "b"}, ""},
		{Query{Collect: []string{"b"}}, []string{"b"}, ""},
		{Query{Exclude: []string{"b"}}, []string{"a"}, ""},
		{Query{Exclude: []string{"b", "a"}}, nil, ""},
		{Query{Collect: []string{"a"}, Exclude: []string{"b"}}, nil, "cannot be used together"},
		{Query{Collect: []string{"nope"}}, nil, `unknown collector "nope": enabled are a, b`},
		{Query{Exclude: []string{"nope"}}, nil, `unknown collector "nope"`},
		{Query{Collect: []string{"extra"}}, nil, `collector "extra" is disabled: switch it on with --collector.extra`},
	} {
		got, err := test.q.apply(known, enabled)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", test.q, diff)
		}
		if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%+v: error %v, want %q", test.q, err, test.err)
		}
	}
}

func ownUnit(g prometheus.Gatherer) *Unit {
	return NewUnit("own", Registry{g}, slog.New(slog.DiscardHandler))
}
