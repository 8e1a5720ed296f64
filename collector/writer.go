package collector

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Writer records the samples of one collection. It lives as long as its Unit, so that series are rendered once.
//
// A Writer is used by one goroutine at a time.
type Writer struct {
	families map[*Family]*family
	sorted   []*family // by name, of equal names the first used first
	stale    bool      // sorted misses a family
	seq      uint64    // families seen so far
	cached   int       // series in the families' caches
	swept    time.Time // when unused series were dropped last
	sweptGen uint64    // the collection after which they were
	most     [2]int    // samples in a collection: since then, and between then and the time before
	key      []byte    // scratch of lookup
	first    Series    // stands before what is recorded first
	last     *Series   // recorded last in this collection

	gen      uint64
	samples  []sample
	gathered []*dto.MetricFamily
	dups     map[string]int // dropped samples by family name; nil while there are none

	parts   map[string]int // index of those declared
	mask    string         // of those selected in this collection
	reports []report       // by index
}

// panicError is a panic that was recovered.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

func newWriter(parts []string) *Writer {
	w := &Writer{families: make(map[*Family]*family), parts: make(map[string]int, len(parts)), swept: time.Now()}
	w.last = &w.first
	for i, name := range parts {
		w.parts[name] = i
	}
	return w
}

// begin starts a collection of the parts that the mask selects.
func (w *Writer) begin(mask string) {
	w.gen++
	w.mask = mask
	w.samples = w.samples[:0]
	w.last = &w.first
	w.gathered = nil
	w.dups = nil
	w.reports = make([]report, len(w.parts))
}

// Selected reports whether the part is collected this time, for work that several parts share.
func (w *Writer) Selected(part string) bool {
	return selected(w.mask, w.part(part))
}

// selected tells whether a mask has the part with index i; see Unit.mask.
func selected(mask string, i int) bool { return mask[i] == '1' }

func (w *Writer) part(name string) int {
	i, ok := w.parts[name]
	if !ok {
		panic("collector: part " + name + " is not declared in Parts")
	}
	return i
}

// Part runs fn if the part is selected and records its duration and success. An error keeps what fn recorded; a panic
// drops it and goes no further than this part. Calls with the same name add up.
func (w *Writer) Part(name string, fn func() error) {
	i := w.part(name)
	if !selected(w.mask, i) {
		return
	}
	mark, gathered, start := len(w.samples), len(w.gathered), time.Now()
	err := w.guarded(fn)
	w.reports[i].add(err, time.Since(start))
	if p := (*panicError)(nil); errors.As(err, &p) {
		w.rewind(mark, gathered)
	}
}

func (w *Writer) guarded(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return fn()
}

// rewind forgets what was recorded after the mark.
func (w *Writer) rewind(samples, gathered int) {
	for _, s := range w.samples[samples:] {
		s.series.gen = 0
		s.series.fam.count--
	}
	w.samples = w.samples[:samples]
	w.gathered = w.gathered[:gathered]
}

// Add records one sample; lv are the values of f.Labels. Nothing is allocated once the series is known.
func (w *Writer) Add(f *Family, v float64, lv ...string) {
	w.series(f, lv).Set(v)
}

// Series returns the series with the label values lv, for loops that record it again and again.
func (w *Writer) Series(f *Family, lv ...string) *Series {
	return w.series(f, lv)
}

// series tries first what followed last time: most collections record the same series in the same order.
func (w *Writer) series(f *Family, lv []string) *Series {
	if s := w.last.next; s != nil && s.fam.decl == f && !s.gone && s.has(lv) {
		return s
	}
	return w.family(f).lookup(w, lv)
}

func (w *Writer) family(f *Family) *family {
	fam, ok := w.families[f]
	if !ok {
		fam = newFamily(f)
		fam.seq = w.seq
		w.seq++
		w.families[f] = fam
		w.stale = true
	}
	return fam
}

// Gather passes on whole families, such as histograms and a registry's metrics. What cannot be encoded or comes twice
// is dropped; the rest is kept even if an error is returned.
func (w *Writer) Gather(g prometheus.Gatherer) error {
	mfs, err := g.Gather()
	for _, mf := range mfs {
		clean, dropped, cerr := cleanFamily(mf)
		if cerr != nil && err == nil {
			err = cerr
		}
		for range dropped {
			w.duplicate(mf.GetName())
		}
		if clean != nil {
			w.gathered = append(w.gathered, clean)
		}
	}
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	return nil
}

func (w *Writer) duplicate(name string) {
	if w.dups == nil {
		w.dups = make(map[string]int)
	}
	w.dups[name]++
}
