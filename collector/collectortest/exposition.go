package collectortest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Exposition is what a scrape told, by the name of the family.
type Exposition map[string]*Exposed

// Exposed is a family of an exposition.
type Exposed struct {
	Name   string
	Type   string             // in lower case, as in the text format
	Labels []string           // of all its series together, sorted
	Series map[string]float64 // by name and labels, these sorted; the parts of a histogram as the text format has them
}

// Interface tells what queries depend on: name, labels and type, as name{a,b} gauge.
func (e *Exposed) Interface() string {
	return fmt.Sprintf("%s{%s} %s", e.Name, strings.Join(e.Labels, ","), e.Type)
}

// Families returns the families sorted by name.
func (x Exposition) Families() []*Exposed {
	var all []*Exposed
	for _, name := range slices.Sorted(maps.Keys(x)) {
		all = append(all, x[name])
	}
	return all
}

// ParseText reads an exposition in the text format.
func ParseText(text string) (Exposition, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	mfs, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse an exposition: %w", err)
	}
	x := make(Exposition, len(mfs))
	for name, mf := range mfs {
		e := &Exposed{Name: name, Type: strings.ToLower(mf.GetType().String()), Series: make(map[string]float64)}
		labels := make(map[string]bool)
		for _, m := range mf.Metric {
			// An empty value is to Prometheus what no label is.
			m.Label = slices.DeleteFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetValue() == "" })
			for _, l := range m.Label {
				labels[l.GetName()] = true
			}
			e.add(m)
		}
		e.Labels = slices.Sorted(maps.Keys(labels))
		x[name] = e
	}
	return x, nil
}

func (e *Exposed) add(m *dto.Metric) {
	put := func(suffix string, v float64, extra ...string) {
		e.Series[seriesKey(e.Name+suffix, m.Label, extra)] = v
	}
	switch {
	case m.Histogram != nil:
		for _, b := range m.Histogram.Bucket {
			put("_bucket", float64(b.GetCumulativeCount()), fmt.Sprintf("le=%q", fmt.Sprint(b.GetUpperBound())))
		}
		put("_sum", m.Histogram.GetSampleSum())
		put("_count", float64(m.Histogram.GetSampleCount()))
	case m.Summary != nil:
		for _, q := range m.Summary.Quantile {
			put("", q.GetValue(), fmt.Sprintf("quantile=%q", fmt.Sprint(q.GetQuantile())))
		}
		put("_sum", m.Summary.GetSampleSum())
		put("_count", float64(m.Summary.GetSampleCount()))
	default:
		put("", m.GetCounter().GetValue()+m.GetGauge().GetValue()+m.GetUntyped().GetValue())
	}
}

func seriesKey(name string, labels []*dto.LabelPair, extra []string) string {
	pairs := slices.Clone(extra)
	for _, l := range labels {
		pairs = append(pairs, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	slices.Sort(pairs)
	return name + "{" + strings.Join(pairs, ",") + "}"
}
