package collector

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// distinguish takes the type from counters that OpenMetrics would give the name of another family, x_total beside x: there
// a counter's family is called without _total, and no two families may have one name. The families are sorted by name.
func distinguish(mfs []*dto.MetricFamily) {
	byName := func(mf *dto.MetricFamily, name string) int { return strings.Compare(mf.GetName(), name) }
	for i, mf := range mfs {
		short, ok := strings.CutSuffix(mf.GetName(), "_total")
		if !ok || mf.GetType() != dto.MetricType_COUNTER {
			continue
		}
		if _, taken := slices.BinarySearchFunc(mfs, short, byName); !taken {
			continue
		}
		metrics := make([]*dto.Metric, len(mf.Metric))
		for j, m := range mf.Metric {
			metrics[j] = retype(m, dto.MetricType_UNTYPED)
		}
		mfs[i] = withMetrics(mf, metrics)
		mfs[i].Type = new(dto.MetricType_UNTYPED)
	}
}
