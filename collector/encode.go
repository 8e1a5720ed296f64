package collector

import (
	"bytes"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// AppendText appends the snapshot in the Prometheus text format 0.0.4.
func (s *Snapshot) AppendText(b []byte) []byte {
	for _, e := range s.entries {
		if e.dto != nil {
			b = appendFamily(b, e.dto)
			continue
		}
		b = append(b, e.fam.header...)
		for _, smp := range e.samples {
			if e.renamed {
				b = append(b, e.name...)
				b = append(b, smp.series.labels()...)
			} else {
				b = append(b, smp.series.prefix...)
			}
			b = appendFloat(b, smp.value)
			b = append(b, '\n')
		}
	}
	return b
}

// appendFamily leaves the family out if it cannot be encoded, which cleanFamily has made sure of.
func appendFamily(b []byte, mf *dto.MetricFamily) []byte {
	buf := bytes.NewBuffer(b)
	if _, err := expfmt.MetricFamilyToText(buf, mf); err != nil {
		return b
	}
	return buf.Bytes()
}

// Gather returns the snapshot as families sorted by name; it implements prometheus.Gatherer and its error is nil.
func (s *Snapshot) Gather() ([]*dto.MetricFamily, error) {
	mfs := make([]*dto.MetricFamily, len(s.entries))
	for i, e := range s.entries {
		if e.dto != nil {
			mfs[i] = e.dto
			continue
		}
		mf := &dto.MetricFamily{
			Name:   new(e.name),
			Type:   new(dtoType(e.fam.typ)),
			Metric: metricsOf(e.fam.typ, e.samples),
		}
		if e.fam.help != "" {
			mf.Help = new(e.fam.help)
		}
		mfs[i] = mf
	}
	return mfs, nil
}

func dtoType(t Type) dto.MetricType {
	switch t {
	case Counter:
		return dto.MetricType_COUNTER
	case Gauge:
		return dto.MetricType_GAUGE
	default:
		return dto.MetricType_UNTYPED
	}
}

func metricsOf(t Type, samples []sample) []*dto.Metric {
	metrics := make([]*dto.Metric, len(samples))
	for i, smp := range samples {
		m := &dto.Metric{}
		if n := len(smp.series.values); n > 0 {
			m.Label = make([]*dto.LabelPair, n)
			for j := range m.Label {
				m.Label[j] = &dto.LabelPair{Name: &smp.series.fam.labels[j], Value: &smp.series.values[j]}
			}
		}
		v := smp.value
		switch t {
		case Counter:
			m.Counter = &dto.Counter{Value: &v}
		case Gauge:
			m.Gauge = &dto.Gauge{Value: &v}
		default:
			m.Untyped = &dto.Untyped{Value: &v}
		}
		metrics[i] = m
	}
	return metrics
}
