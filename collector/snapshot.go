package collector

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// Snapshot is what one scrape found. It never changes; text and protobuf are two encodings of it.
type Snapshot struct {
	entries   []entry // by name, each name once
	dups      map[string]int
	ownFailed bool // the process's own metrics are missing or not complete
}

// entry is one family: recorded samples, or a family that was passed on.
type entry struct {
	name    string
	fam     *family
	samples []sample
	renamed bool // samples have series of another name
	dto     *dto.MetricFamily
}

// Duplicates tells per family how many samples were dropped because their series was there already.
func (s *Snapshot) Duplicates() map[string]int { return s.dups }

// Series counts the series, a histogram or summary as one.
func (s *Snapshot) Series() int {
	n := 0
	for _, e := range s.entries {
		n += len(e.samples)
		if e.dto != nil {
			n += len(e.dto.Metric)
		}
	}
	return n
}

// newSnapshot merges results. Where several have a family of one name, HELP and TYPE are the first's and of equal
// series the first wins. With legacy names come last, so that what is really called so wins.
func newSnapshot(legacy bool, results ...*result) *Snapshot {
	s := &Snapshot{}
	queues := make([]queue, 0, 2*len(results)+1)
	var formers []group
	n := 0
	for _, r := range results {
		queues = append(queues, queue{groups: r.groups}, queue{gathered: r.gathered})
		n += len(r.groups) + len(r.gathered)
		if legacy {
			formers = appendFormers(formers, r.groups)
		}
		for name, n := range r.dups {
			s.drop(name, n)
		}
	}
	slices.SortStableFunc(formers, func(a, b group) int { return strings.Compare(a.fam.name, b.fam.name) })
	queues = append(queues, queue{groups: formers})
	s.entries = mergeQueues(make([]entry, 0, n+len(formers)), queues)
	s.joinEqual()
	return s
}

// appendFormers appends what the groups are under their legacy names.
func appendFormers(formers, groups []group) []group {
	for _, g := range groups {
		if g.fam.former != nil {
			formers = append(formers, group{g.fam.former, g.samples})
		}
	}
	return formers
}

// joinEqual makes one entry of those with the same name.
func (s *Snapshot) joinEqual() {
	kept := s.entries[:0]
	for i := 0; i < len(s.entries); {
		j := i + 1
		for j < len(s.entries) && s.entries[j].name == s.entries[i].name {
			j++
		}
		if j == i+1 {
			kept = append(kept, s.entries[i])
		} else {
			kept = append(kept, s.merge(s.entries[i:j]))
		}
		i = j
	}
	clear(s.entries[len(kept):])
	s.entries = kept
}

func (s *Snapshot) drop(name string, n int) {
	if n == 0 {
		return
	}
	if s.dups == nil {
		s.dups = make(map[string]int)
	}
	s.dups[name] += n
}

// merge makes one entry of several with the same name.
func (s *Snapshot) merge(es []entry) entry {
	first := es[0]
	seen := make(map[string]bool)
	if first.dto != nil {
		var metrics []*dto.Metric
		for _, e := range es {
			for _, m := range e.metrics() {
				key := metricKey(m)
				m = retype(m, first.dto.GetType())
				if m == nil || seen[key] {
					s.drop(e.name, 1)
					continue
				}
				seen[key] = true
				metrics = append(metrics, m)
			}
		}
		first.dto = withMetrics(first.dto, metrics)
		return first
	}
	var samples []sample
	for _, e := range es {
		first.renamed = first.renamed || e.renamed
		for _, smp := range e.simple(first.fam) {
			if smp.series == nil || seen[string(smp.series.labels())] {
				s.drop(e.name, 1)
				continue
			}
			seen[string(smp.series.labels())] = true
			samples = append(samples, smp)
		}
	}
	first.samples = samples
	return first
}

// metrics returns the entry in its protobuf form.
func (e entry) metrics() []*dto.Metric {
	if e.dto != nil {
		return e.dto.Metric
	}
	return metricsOf(e.fam.typ, e.samples)
}

// simple returns the entry as samples; one without a series stands for a metric that is none.
func (e entry) simple(as *family) []sample {
	if e.dto == nil {
		return e.samples
	}
	samples := make([]sample, len(e.dto.Metric))
	for i, m := range e.dto.Metric {
		if v, ok := simpleValue(m); ok {
			labels, values := labelsOf(m)
			fam := &family{name: as.name, labels: labels}
			samples[i] = sample{&Series{fam: fam, values: values, prefix: appendPrefix(nil, as.name, labels, values)}, v}
		}
	}
	return samples
}

// retype returns m as type t, nil if that cannot be.
func retype(m *dto.Metric, t dto.MetricType) *dto.Metric {
	if encodable(t, m) {
		return m
	}
	v, ok := simpleValue(m)
	if !ok {
		return nil
	}
	out := &dto.Metric{Label: m.Label, TimestampMs: m.TimestampMs}
	switch t {
	case dto.MetricType_COUNTER:
		out.Counter = &dto.Counter{Value: &v}
	case dto.MetricType_GAUGE:
		out.Gauge = &dto.Gauge{Value: &v}
	case dto.MetricType_UNTYPED:
		out.Untyped = &dto.Untyped{Value: &v}
	default:
		return nil
	}
	return out
}
