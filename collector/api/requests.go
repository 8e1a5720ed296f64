package api

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	dto "github.com/prometheus/client_model/go"

	"github.com/chronoops/chronoops/collector"
)

// durationBuckets are upper edges in seconds, with edges at the objectives 0.2 s and 0.5 s.
var durationBuckets = []float64{.005, .01, .025, .05, .1, .2, .35, .5, 1, 2.5, 5, 10}

// sizeBuckets are upper edges in bytes.
var sizeBuckets = []float64{1e3, 1e4, 1e5, 1e6, 1e7}

// methods are the label values of method; the last one stands for every other.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "other"}

const otherMethod = uint8(len(methods) - 1)

// requests counts access-log entries. A series is first shown as zero and only from the next scrape on with its value, so
// that rate() and increase() see its first requests too; of several Prometheus servers the first to ask does.
type requests struct {
	routes    *router
	maxSeries int
	counts    map[countKey]*count
	times     map[timeKey]*histogram
	sizes     map[int]*histogram
	scratch   []countKey
}

type timeKey struct {
	route  int
	method uint8
}

type countKey struct {
	timeKey
	status uint16 // 0 outside 100–599
}

type count struct {
	n      uint64
	status string
	shown  bool
}

type histogram struct {
	edges   []float64
	buckets []uint64 // not cumulative
	n       uint64
	sum     float64
	shown   bool
}

func newRequests(routes *router) *requests {
	return &requests{
		routes:    routes,
		maxSeries: 20 * (routes.max + len(routes.names)),
		counts:    map[countKey]*count{},
		times:     map[timeKey]*histogram{},
		sizes:     map[int]*histogram{},
	}
}

func (r *requests) add(e *entry) {
	key := countKey{timeKey{r.routes.route(e.path, e.status), methodIndex(e.method)}, uint16(e.status)}
	c, ok := r.counts[key]
	if !ok {
		if len(r.counts) >= r.maxSeries {
			key.route = 0
		}
		if c, ok = r.counts[key]; !ok {
			c = &count{status: statusLabel(e.status)}
			r.counts[key] = c
		}
	}
	c.n++
	if e.timed {
		observe(r.times, key.timeKey, durationBuckets, e.seconds)
	}
	if e.size >= 0 {
		observe(r.sizes, key.route, sizeBuckets, float64(e.size))
	}
}

func observe[K comparable](m map[K]*histogram, key K, edges []float64, v float64) {
	h, ok := m[key]
	if !ok {
		h = &histogram{edges: edges, buckets: make([]uint64, len(edges))}
		m[key] = h
	}
	h.n++
	h.sum += v
	if i, _ := slices.BinarySearch(edges, v); i < len(edges) {
		h.buckets[i]++
	}
}

func methodIndex(m []byte) uint8 {
	for i, name := range methods[:otherMethod] {
		if string(m) == name {
			return uint8(i)
		}
	}
	return otherMethod
}

// each calls fn for every counter in a stable order, with zero the first time.
func (r *requests) each(fn func(n uint64, method, status, route string)) {
	r.scratch = r.scratch[:0]
	for k := range r.counts {
		r.scratch = append(r.scratch, k)
	}
	slices.SortFunc(r.scratch, func(a, b countKey) int {
		return cmp.Or(compareTimes(a.timeKey, b.timeKey), cmp.Compare(a.status, b.status))
	})
	for _, k := range r.scratch {
		c := r.counts[k]
		var n uint64
		if c.shown {
			n = c.n
		}
		c.shown = true
		fn(n, methods[k.method], c.status, r.routes.names[k.route])
	}
}

func compareTimes(a, b timeKey) int {
	return cmp.Or(cmp.Compare(a.route, b.route), cmp.Compare(a.method, b.method))
}

func statusLabel(status int) string {
	if status == 0 {
		return "other"
	}
	return strconv.Itoa(status)
}

// Gather implements prometheus.Gatherer for durations and sizes. Their histograms are classic on purpose: a server that
// takes native ones drops the buckets that the rules name.
func (r *requests) Gather() ([]*dto.MetricFamily, error) {
	return []*dto.MetricFamily{
		gather(requestDuration, r.times, compareTimes, func(k timeKey) []*dto.LabelPair {
			return []*dto.LabelPair{label("method", methods[k.method]), label("route", r.routes.names[k.route])}
		}),
		gather(responseSize, r.sizes, cmp.Compare[int], func(k int) []*dto.LabelPair {
			return []*dto.LabelPair{label("route", r.routes.names[k])}
		}),
	}, nil
}

func gather[K comparable](decl *collector.Family, m map[K]*histogram, compare func(a, b K) int, labels func(K) []*dto.LabelPair) *dto.MetricFamily {
	f := &dto.MetricFamily{Name: new(decl.Name), Help: new(decl.Help), Type: dto.MetricType_HISTOGRAM.Enum()}
	for _, k := range slices.SortedFunc(maps.Keys(m), compare) {
		f.Metric = append(f.Metric, &dto.Metric{Label: labels(k), Histogram: m[k].expose()})
	}
	return f
}

// expose returns zeros the first time.
func (h *histogram) expose() *dto.Histogram {
	out := &dto.Histogram{SampleCount: new(uint64), SampleSum: new(float64), Bucket: make([]*dto.Bucket, len(h.edges))}
	var sum uint64
	for i, edge := range h.edges {
		if h.shown {
			sum += h.buckets[i]
		}
		out.Bucket[i] = &dto.Bucket{UpperBound: new(edge), CumulativeCount: new(sum)}
	}
	if h.shown {
		*out.SampleCount, *out.SampleSum = h.n, h.sum
	}
	h.shown = true
	return out
}

func label(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: new(name), Value: new(value)}
}
