package host

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector"
)

// textFamily is a metric family of a file.
type textFamily struct {
	name string
	help *string
	typ  dto.MetricType

	samples []textSample
	whole   *dto.MetricFamily // of histograms and summaries, which have no samples
}

type textSample struct {
	family *collector.Family // one for each set of labels
	labels []string
	value  float64
}

// errTimestamps refuses a file: Prometheus would drop samples that do not change, and those that are old.
var errTimestamps = errors.New("samples with timestamps: leave them out")

// parseText reads metrics in the text format, sorted by name. A file with any mistake is refused as a whole.
func parseText(b []byte, path string) ([]*textFamily, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	parsed, err := parser.TextToMetricFamilies(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	families := make([]*textFamily, 0, len(parsed))
	for _, mf := range parsed {
		for _, m := range mf.Metric {
			if m.TimestampMs != nil {
				return nil, errTimestamps
			}
			dropEmpty(m)
		}
		families = append(families, newTextFamily(mf, path))
	}
	slices.SortFunc(families, func(a, b *textFamily) int { return strings.Compare(a.name, b.name) })
	return families, nil
}

// dropEmpty removes labels without a value, which Prometheus takes for labels that are not there, and sorts the others.
func dropEmpty(m *dto.Metric) {
	m.Label = slices.DeleteFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetValue() == "" })
	slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
}

func newTextFamily(mf *dto.MetricFamily, path string) *textFamily {
	f := &textFamily{name: mf.GetName(), help: mf.Help, typ: mf.GetType()}
	if mf.Help == nil {
		mf.Help = new("Read from " + path + ".")
	}
	typ, simple := map[dto.MetricType]collector.Type{
		dto.MetricType_COUNTER: collector.Counter, dto.MetricType_GAUGE: collector.Gauge, dto.MetricType_UNTYPED: collector.Untyped,
	}[f.typ]
	if !simple {
		f.whole = mf
		return f
	}
	families := make(map[string]*collector.Family)
	for _, m := range mf.Metric {
		names := make([]string, len(m.Label))
		s := textSample{labels: make([]string, len(m.Label))}
		for i, l := range m.Label {
			names[i], s.labels[i] = l.GetName(), l.GetValue()
		}
		key := strings.Join(names, ",")
		if s.family = families[key]; s.family == nil {
			s.family = &collector.Family{Name: f.name, Help: mf.GetHelp(), Type: typ, Labels: names}
			families[key] = s.family
		}
		switch f.typ {
		case dto.MetricType_COUNTER:
			s.value = m.Counter.GetValue()
		case dto.MetricType_GAUGE:
			s.value = m.Gauge.GetValue()
		default:
			s.value = m.Untyped.GetValue()
		}
		f.samples = append(f.samples, s)
	}
	return f
}
