package redis

import (
	dto "github.com/prometheus/client_model/go"

	"github.com/chronoops/chronoops/collector"
)

// distributions collects the histograms or summaries of one family and hands them to a Writer as a Gatherer. There are
// hundreds of buckets: they are laid out in a few slices instead of one by one.
type distributions struct {
	family *collector.Family
	all    []distribution
	points []point
}

// distribution is one histogram or summary; its points are those from first up to the next one's.
type distribution struct {
	label string // the value of the family's label, if it has one
	count uint64
	sum   float64
	first int
}

// point is a bucket, with its bound and cumulative count, or a quantile and its value.
type point struct {
	at, value float64
	count     uint64
}

// begin starts a metric; the points that follow are its own.
func (d *distributions) begin(label string, count uint64, sum float64) {
	d.all = append(d.all, distribution{label: label, count: count, sum: sum, first: len(d.points)})
}

func (d *distributions) bucket(bound float64, cumulative uint64) {
	d.points = append(d.points, point{at: bound, count: cumulative})
}

func (d *distributions) quantile(at, value float64) {
	d.points = append(d.points, point{at: at, value: value})
}

// Gather implements prometheus.Gatherer.
func (d *distributions) Gather() ([]*dto.MetricFamily, error) {
	if len(d.all) == 0 {
		return nil, nil
	}
	mf := &dto.MetricFamily{Name: &d.family.Name, Help: &d.family.Help, Metric: make([]*dto.Metric, len(d.all))}
	metrics := make([]dto.Metric, len(d.all))
	labels := make([]dto.LabelPair, len(d.all))
	for i := range d.all {
		m := &metrics[i]
		mf.Metric[i] = m
		if len(d.family.Labels) > 0 {
			labels[i] = dto.LabelPair{Name: &d.family.Labels[0], Value: &d.all[i].label}
			m.Label = []*dto.LabelPair{&labels[i]}
		}
	}
	if d.family.Type == collector.Summary {
		mf.Type = dto.MetricType_SUMMARY.Enum()
		d.summaries(metrics)
	} else {
		mf.Type = dto.MetricType_HISTOGRAM.Enum()
		d.histograms(metrics)
	}
	return []*dto.MetricFamily{mf}, nil
}

// end returns where the points of a metric end.
func (d *distributions) end(i int) int {
	if i+1 < len(d.all) {
		return d.all[i+1].first
	}
	return len(d.points)
}

func (d *distributions) histograms(metrics []dto.Metric) {
	list, buckets := make([]dto.Histogram, len(d.all)), make([]dto.Bucket, len(d.points))
	refs := make([]*dto.Bucket, len(d.points))
	for i := range d.points {
		p := &d.points[i]
		buckets[i].UpperBound, buckets[i].CumulativeCount = &p.at, &p.count
		refs[i] = &buckets[i]
	}
	for i := range d.all {
		one := &d.all[i]
		list[i].SampleCount, list[i].SampleSum, list[i].Bucket = &one.count, &one.sum, refs[one.first:d.end(i)]
		metrics[i].Histogram = &list[i]
	}
}

func (d *distributions) summaries(metrics []dto.Metric) {
	list, quantiles := make([]dto.Summary, len(d.all)), make([]dto.Quantile, len(d.points))
	refs := make([]*dto.Quantile, len(d.points))
	for i := range d.points {
		p := &d.points[i]
		quantiles[i].Quantile, quantiles[i].Value = &p.at, &p.value
		refs[i] = &quantiles[i]
	}
	for i := range d.all {
		one := &d.all[i]
		list[i].SampleCount, list[i].SampleSum, list[i].Quantile = &one.count, &one.sum, refs[one.first:d.end(i)]
		metrics[i].Summary = &list[i]
	}
}
