package collector

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

const (
	// A scrape may select some parts only: the series of the others are not to be rendered again for the next one.
	keepUnused  = 5 * time.Minute // that a series stays cached without being recorded, and at most twice that
	sweepAtMost = 1024            // series beyond four times the most of a collection that force a sweep
)

// group is the samples of one family from one collection.
type group struct {
	fam     *family
	samples []sample
}

// result is what one collection recorded. It never changes once made, so that scrapes can share it.
type result struct {
	groups   []group // by name
	gathered []*dto.MetricFamily
	reports  []report
	dups     map[string]int
	err      error // what Collect returned
}

// failed reports whether anything did; a result that did not come failed as a whole.
func (r *result) failed() bool {
	return r == nil || rank(r.err) == failed || slices.ContainsFunc(r.reports, func(p report) bool { return rank(p.err) == failed })
}

// finish returns what was recorded, grouped by family, and forgets series that are long unused.
func (w *Writer) finish() *result {
	if w.stale {
		w.sorted = w.sorted[:0]
		for _, f := range w.families {
			w.sorted = append(w.sorted, f)
		}
		slices.SortFunc(w.sorted, func(a, b *family) int {
			return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.seq, b.seq))
		})
		w.stale = false
	}
	res := &result{gathered: w.gathered, reports: w.reports, dups: w.dups}
	byName := func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) }
	if !slices.IsSortedFunc(res.gathered, byName) { // a registry sorts, several do not
		slices.SortStableFunc(res.gathered, byName)
	}
	active, at := 0, 0
	for _, f := range w.sorted {
		f.next = at
		at += f.count
		if f.count > 0 {
			active++
		}
	}
	samples := make([]sample, len(w.samples))
	for _, s := range w.samples {
		f := s.series.fam
		samples[f.next] = s
		f.next++
	}
	res.groups = make([]group, 0, active)
	for _, f := range w.sorted {
		if f.count > 0 {
			res.groups = append(res.groups, group{f, samples[f.next-f.count : f.next : f.next]})
			f.count = 0
		}
	}
	w.last.next = nil
	w.release()
	return res
}

// release lets go of the samples, which are in the result, and of what was kept for more series than there are now.
func (w *Writer) release() {
	n := len(w.samples)
	w.most[0] = max(w.most[0], n)
	room := 4*max(w.most[0], w.most[1]) + sweepAtMost
	clear(w.samples)
	if cap(w.samples) > room {
		w.samples = nil
	}
	if w.cached == n {
		return
	}
	now := time.Now()
	switch {
	case w.cached > room:
		w.sweep(w.gen - 1)
	case now.Sub(w.swept) >= keepUnused:
		w.sweep(w.sweptGen)
		w.most = [2]int{n, w.most[0]}
	default:
		return
	}
	w.swept, w.sweptGen = now, w.gen
}

// sweep drops cached series that no collection has recorded after the given one.
func (w *Writer) sweep(after uint64) {
	for decl, f := range w.families {
		before := len(f.series)
		for key, s := range f.series {
			if s.gen <= after {
				s.gone, s.next = true, nil
				delete(f.series, key)
				w.cached--
			}
		}
		switch n := len(f.series); {
		case n == 0:
			delete(w.families, decl)
			w.stale = true
		case before > 4*n+sweepAtMost: // a map never becomes smaller by itself
			smaller := make(map[string]*Series, n)
			maps.Copy(smaller, f.series)
			f.series = smaller
		}
	}
}
