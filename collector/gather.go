package collector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
)

// Registry is a Collector without parts that passes on what a registry gathers.
type Registry struct{ prometheus.Gatherer }

// Parts implements Collector.
func (Registry) Parts() []Part { return nil }

// Collect implements Collector.
func (r Registry) Collect(_ context.Context, w *Writer) error { return w.Gather(r.Gatherer) }

// cleanFamily returns mf with names and texts that every server reads, without metrics that cannot be encoded or come
// twice. It returns nil if nothing is left, the number of duplicates it dropped, and the first reason to drop anything
// else. It copies what it changes.
func cleanFamily(mf *dto.MetricFamily) (clean *dto.MetricFamily, dups int, err error) {
	if mf.GetName() == "" {
		return nil, 0, errors.New("a metric family has no name")
	}
	seen := newMetricSet(mf.Metric)
	kept := make([]*dto.Metric, 0, len(mf.Metric))
	changed := false
	for _, orig := range mf.Metric {
		if !encodable(mf.GetType(), orig) {
			err = cmp.Or(err, fmt.Errorf("metric family %s of type %s has a metric of another type", mf.GetName(), mf.GetType()))
			continue
		}
		m, ok := withValidLabels(orig)
		if !ok {
			err = cmp.Or(err, fmt.Errorf("metric family %s has a metric with an empty, reserved or repeated label name", mf.GetName()))
			continue
		}
		changed = changed || m != orig
		if !seen.add(m) {
			dups++
			continue
		}
		kept = append(kept, m)
	}
	name, help := validMetricName(mf.GetName()), strings.ToValidUTF8(mf.GetHelp(), "\uFFFD")
	switch {
	case len(kept) == 0:
		return nil, dups, err
	case name != mf.GetName() || help != mf.GetHelp():
		clean = withMetrics(mf, kept)
		clean.Name = &name
		if mf.Help != nil {
			clean.Help = &help
		}
		return clean, dups, err
	case changed || len(kept) < len(mf.Metric):
		return withMetrics(mf, kept), dups, err
	default:
		return mf, dups, err
	}
}

// metricSet tells metrics of one family that come twice. It is nil for a single one.
type metricSet map[string]struct{}

func newMetricSet(metrics []*dto.Metric) metricSet {
	if len(metrics) < 2 {
		return nil
	}
	return make(metricSet, len(metrics))
}

// add reports whether m is new.
func (s metricSet) add(m *dto.Metric) bool {
	if s == nil {
		return true
	}
	n := len(s)
	s[metricKey(m)] = struct{}{}
	return len(s) > n
}

// withValidLabels returns m with label names and values that every server reads; false if they make no series.
func withValidLabels(m *dto.Metric) (*dto.Metric, bool) {
	bad := false
	for _, p := range m.Label {
		bad = bad || validLabelName(p.GetName()) != p.GetName() || !utf8.ValidString(p.GetValue())
	}
	if bad {
		m = &dto.Metric{
			Label: slices.Clone(m.Label),
			Gauge: m.Gauge, Counter: m.Counter, Summary: m.Summary, Untyped: m.Untyped, Histogram: m.Histogram, TimestampMs: m.TimestampMs,
		}
		for i, p := range m.Label {
			m.Label[i] = &dto.LabelPair{
				Name: new(validLabelName(p.GetName())), Value: new(strings.ToValidUTF8(p.GetValue(), "\uFFFD")),
			}
		}
	}
	for i, p := range m.Label {
		if p.GetName() == "" || p.GetName() == model.MetricNameLabel {
			return nil, false
		}
		for _, q := range m.Label[:i] {
			if p.GetName() == q.GetName() {
				return nil, false
			}
		}
	}
	return m, true
}

// withMetrics returns a copy of mf with other metrics.
func withMetrics(mf *dto.MetricFamily, metrics []*dto.Metric) *dto.MetricFamily {
	return &dto.MetricFamily{Name: mf.Name, Help: mf.Help, Type: mf.Type, Unit: mf.Unit, Metric: metrics}
}

func encodable(t dto.MetricType, m *dto.Metric) bool {
	switch t {
	case dto.MetricType_COUNTER:
		return m.GetCounter() != nil
	case dto.MetricType_GAUGE:
		return m.GetGauge() != nil
	case dto.MetricType_UNTYPED:
		return m.GetUntyped() != nil
	case dto.MetricType_SUMMARY:
		return m.GetSummary() != nil
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		return m.GetHistogram() != nil
	default:
		return false
	}
}

// metricKey is what a Series with the same labels has behind its name.
func metricKey(m *dto.Metric) string {
	labels, values := labelsOf(m)
	return string(appendPrefix(nil, "", labels, values))
}

func labelsOf(m *dto.Metric) (labels, values []string) {
	pairs := slices.Clone(m.Label)
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	labels, values = make([]string, len(pairs)), make([]string, len(pairs))
	for i, p := range pairs {
		labels[i], values[i] = p.GetName(), p.GetValue()
	}
	return labels, values
}

// simpleValue returns the one number of a counter, gauge or untyped metric.
func simpleValue(m *dto.Metric) (float64, bool) {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue(), true
	case m.Gauge != nil:
		return m.Gauge.GetValue(), true
	case m.Untyped != nil:
		return m.Untyped.GetValue(), true
	default:
		return 0, false
	}
}
