package postgres

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/chronoops/chronoops/collector"
)

// samples is a list of samples whose label values lie in one slice, and the histograms beside them.
type samples struct {
	list       []sample
	labels     []string
	histograms []*dto.MetricFamily
}

type sample struct {
	family   *collector.Family
	value    float64
	from, n  int
	largest  bool
	absorbed bool // merged into an earlier one
}

func (s *samples) reset() {
	s.list = s.list[:0]
	s.labels = s.labels[:0]
	s.histograms = nil
}

// add records a value whose labels are the n ones at from.
func (s *samples) add(f *collector.Family, v float64, from, n int, largest bool) {
	s.list = append(s.list, sample{family: f, value: v, from: from, n: n, largest: largest})
}

// put records a value with label values of its own.
func (s *samples) put(f *collector.Family, v float64, labels ...string) {
	from := len(s.labels)
	s.labels = append(s.labels, labels...)
	s.add(f, v, from, len(labels), false)
}

func (s *samples) values(i int) []string {
	return s.labels[s.list[i].from : s.list[i].from+s.list[i].n]
}

// merge makes one sample of those that have the same family and labels.
func (s *samples) merge() {
	seen := make(map[string]int, len(s.list))
	var key []byte
	for i := range s.list {
		key = append(append(key[:0], s.list[i].family.Name...), 0)
		for _, v := range s.values(i) {
			key = append(append(key, v...), 0)
		}
		first, ok := seen[string(key)]
		if !ok {
			seen[string(key)] = i
			continue
		}
		to, from := &s.list[first], &s.list[i]
		from.absorbed = true
		if to.largest {
			to.value = max(to.value, from.value)
		} else {
			to.value += from.value
		}
	}
}

func (s *samples) write(w *collector.Writer) error {
	for i, one := range s.list {
		if !one.absorbed {
			w.Add(one.family, one.value, s.values(i)...)
		}
	}
	if len(s.histograms) == 0 {
		return nil
	}
	return w.Gather(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return s.histograms, nil }))
}

// interner gives the same string for the same bytes, so that label values that stay cost nothing.
type interner struct{ known map[string]string }

// maxInterned bounds the interner; beyond it everything is forgotten.
const maxInterned = 20_000

func (in *interner) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := in.known[string(b)]; ok {
		return s
	}
	if in.known == nil || len(in.known) >= maxInterned {
		in.known = make(map[string]string)
	}
	s := string(b)
	in.known[s] = s
	return s
}
