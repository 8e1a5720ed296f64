package collector

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
)

// cleanFamily returns mf with names every server reads, without metrics that cannot be encoded or come twice. It
// returns nil if nothing is left, the number of duplicates it dropped, and the first reason to drop anything else.
func cleanFamily(mf *dto.MetricFamily) (clean *dto.MetricFamily, dups int, err error) {
	if mf.GetName() == "" {
		return nil, 0, errors.New("a metric family has no name")
	}
	mf = model.EscapeMetricFamily(mf, model.UnderscoreEscaping)
	seen := make(map[string]bool, len(mf.Metric))
	kept := make([]*dto.Metric, 0, len(mf.Metric))
	changed := false
	for _, m := range mf.Metric {
		orig := m
		if !encodable(mf.GetType(), m) {
			err = fmt.Errorf("metric family %s of type %s has a metric of another type", mf.GetName(), mf.GetType())
			continue
		}
		m, ok := withValidLabels(m)
		if !ok {
			err = fmt.Errorf("metric family %s has a metric with an empty or repeated label name", mf.GetName())
			continue
		}
		changed = changed || m != orig
		key := metricKey(m)
		if seen[key] {
			dups++
			continue
		}
		seen[key] = true
		kept = append(kept, m)
	}
	if len(kept) == 0 {
		return nil, dups, err
	}
	if changed || len(kept) < len(mf.Metric) {
		mf = withMetrics(mf, kept)
	}
	return mf, dups, err
}

// withValidLabels returns m with label values that are valid UTF-8; false if its label names make no series.
func withValidLabels(m *dto.Metric) (*dto.Metric, bool) {
	bad := false
	for i, p := range m.Label {
		if p.GetName() == "" {
			return nil, false
		}
		for _, q := range m.Label[:i] {
			if p.GetName() == q.GetName() {
				return nil, false
			}
		}
		bad = bad || !utf8.ValidString(p.GetValue())
	}
	if !bad {
		return m, true
	}
	out := &dto.Metric{
		Gauge: m.Gauge, Counter: m.Counter, Summary: m.Summary, Untyped: m.Untyped, Histogram: m.Histogram,
		TimestampMs: m.TimestampMs,
	}
	for _, p := range m.Label {
		out.Label = append(out.Label, &dto.LabelPair{Name: p.Name, Value: new(strings.ToValidUTF8(p.GetValue(), "\uFFFD"))})
	}
	return out, true
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
