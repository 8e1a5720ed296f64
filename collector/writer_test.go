package collector

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAddAllocatesNothing(t *testing.T) {
	none := &Family{Name: "none", Type: Gauge}
	two := &Family{Name: "two", Type: Counter, Labels: []string{"b", "a"}}
	values := make([]string, 100)
	for i := range values {
		values[i] = strconv.Itoa(i)
	}
	w := newWriter(nil)
	collect := func() {
		w.gen++ // a collection without the few allocations of begin and finish
		w.samples = w.samples[:0]
		w.Add(none, 1)
		for _, v := range values {
			w.Add(two, 2, v, "constant")
		}
	}
	collect()
	if n := testing.AllocsPerRun(100, collect); n != 0 {
		t.Errorf("recording known series allocates %v times", n)
	}
}

func TestVanishedSeries(t *testing.T) { synctest.Test(t, testVanishedSeries) }

func testVanishedSeries(t *testing.T) {
	f := &Family{Name: "f", Type: Gauge, Labels: []string{"id"}}
	g := &Family{Name: "g", Type: Gauge}
	w := newWriter(nil)
	w.begin("")
	kept := w.Series(f, "kept")
	w.Add(f, 1, "gone")
	w.Add(g, 1)
	w.finish()
	w.begin("")
	w.Add(f, 1, "other")
	if text := string(newSnapshot(false, w.finish()).AppendText(nil)); strings.Contains(text, "gone") || strings.Contains(text, "TYPE g") {
		t.Errorf("a label set that is gone is still exposed:\n%s", text)
	}
	for range 3 {
		time.Sleep(keepUnused)
		w.begin("")
		w.finish()
	}
	if w.cached != 0 || len(w.families) != 0 {
		t.Errorf("%d series of %d families are cached without being used", w.cached, len(w.families))
	}
	w.begin("")
	kept.Set(1)
	w.Add(f, 2, "kept")
	kept.Set(3)
	s := newSnapshot(false, w.finish())
	if diff := cmp.Diff("# TYPE f gauge\nf{id=\"kept\"} 1\n", string(s.AppendText(nil))); diff != "" {
		t.Errorf("a series kept by its caller (-want +got):\n%s", diff)
	}
	if s.Duplicates()["f"] != 2 {
		t.Errorf("duplicates of a kept series: got %v", s.Duplicates())
	}
}

func TestCacheIsBounded(t *testing.T) {
	f := &Family{Name: "f", Type: Gauge, Labels: []string{"id"}}
	w := newWriter(nil)
	id, peak := 0, 0
	for range 50 {
		w.begin("")
		for range 1000 {
			w.Add(f, 1, strconv.Itoa(id))
			id++
		}
		w.finish()
		peak = max(peak, w.cached)
	}
	if peak > 4*1000+sweepAtMost {
		t.Errorf("%d series cached at 1000 live ones", peak)
	}
}

// What bytes that are no text become is cached once, however many there are.
func TestInvalidTextIsCachedOnce(t *testing.T) {
	f := &Family{Name: "f", Type: Gauge, Labels: []string{"b", "a"}}
	w := newWriter(nil)
	for i := range 100 {
		w.begin("")
		w.Add(f, 1, "x", string([]byte{0x80 + byte(i), 0xff}))
		if text := string(newSnapshot(false, w.finish()).AppendText(nil)); text != "# TYPE f gauge\nf{a=\"\uFFFD\",b=\"x\"} 1\n" {
			t.Fatalf("got\n%s", text)
		}
	}
	if w.cached != 1 {
		t.Errorf("%d entries are cached for one series", w.cached)
	}
}

// A burst of series is forgotten, the room that it took as well.
func TestBurstIsReleased(t *testing.T) { synctest.Test(t, testBurstIsReleased) }

func testBurstIsReleased(t *testing.T) {
	f := &Family{Name: "f", Type: Gauge, Labels: []string{"id"}}
	w := newWriter(nil)
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	collect := func(n int) {
		w.begin("")
		for i := range n {
			w.Add(f, 1, strconv.Itoa(i))
		}
		w.finish()
	}
	collect(10)
	before := heap()
	collect(100_000)
	for range 4 {
		time.Sleep(keepUnused)
		collect(10)
	}
	if held := heap() - before; held > 1<<20 {
		t.Errorf("%d bytes are held after a burst", held)
	}
	runtime.KeepAlive(w)
}

// A scrape of one part does not cost the next scrape of all what was known of the others.
func TestNarrowScrapesKeepTheCache(t *testing.T) {
	wide, narrow := &Family{Name: "wide", Type: Gauge, Labels: []string{"id"}}, &Family{Name: "narrow", Type: Gauge}
	ids := make([]string, 10_000)
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	w := newWriter([]string{"wide", "narrow"})
	collect := func(mask string) {
		w.begin(mask)
		w.Part("wide", func() error {
			for _, id := range ids {
				w.Add(wide, 1, id)
			}
			return nil
		})
		w.Part("narrow", func() error { w.Add(narrow, 1); return nil })
		w.finish()
	}
	collect("11")
	if n := testing.AllocsPerRun(10, func() {
		for range 10 {
			collect("01")
		}
		collect("11")
	}); n > 200 {
		t.Errorf("eleven collections of known series allocate %v times", n)
	}
}

func TestPart(t *testing.T) {
	f := &Family{Name: "f", Type: Gauge, Labels: []string{"part"}}
	w := newWriter([]string{"good", "bad", "panics", "off"})
	w.begin("1110")
	w.Part("good", func() error { w.Add(f, 1, "good"); return nil })
	w.Part("bad", func() error { w.Add(f, 1, "bad"); return errors.New("no") })
	w.Part("panics", func() error { w.Add(f, 1, "panics"); panic("oh") })
	w.Part("off", func() error { t.Error("a part that is off was run"); return nil })
	if w.Selected("off") || !w.Selected("bad") {
		t.Error("Selected does not tell the selection")
	}
	w.Add(f, 2, "panics")
	res := w.finish()
	want := "# TYPE f gauge\nf{part=\"good\"} 1\nf{part=\"bad\"} 1\nf{part=\"panics\"} 2\n"
	if diff := cmp.Diff(want, string(newSnapshot(false, res).AppendText(nil))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var got []string
	for _, r := range res.reports {
		got = append(got, fmt.Sprint(r.ran, r.err))
	}
	if diff := cmp.Diff([]string{"true <nil>", "true no", "true panic: oh", "false <nil>"}, got); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

func TestMistakesPanic(t *testing.T) {
	ok := &Family{Name: "ok", Labels: []string{"a"}}
	for name, fn := range map[string]func(w *Writer){
		"label values":   func(w *Writer) { w.Add(ok, 1) },
		"no name":        func(w *Writer) { w.Add(&Family{}, 1) },
		"histogram":      func(w *Writer) { w.Add(&Family{Name: "h", Type: Histogram}, 1) },
		"label twice":    func(w *Writer) { w.Add(&Family{Name: "x", Labels: []string{"a.", "a-"}}, 1, "", "") },
		"reserved label": func(w *Writer) { w.Add(&Family{Name: "x", Labels: []string{"__name__"}}, 1, "") },
		"unknown part":   func(w *Writer) { w.Part("nope", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("the mistake went unnoticed")
				}
			}()
			w := newWriter(nil)
			w.begin("")
			fn(w)
		})
	}
}
