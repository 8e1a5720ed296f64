package postgres

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/chronoops/chronoops/collector"
)

// idleView reads how long idle sessions have been idle. Unlike postgres_exporter, which passes on the first row alone,
// it has a histogram for each state and application_name.
var idleView = view{
	part: partIdle, name: "process_idle",
	monitor: true,
	decoder: func(c *Collector) decoder { return &idleTimes{fold: c.fold, text: c.intern.text} },
	emits:   []*collector.Family{idleSeconds},
	sql: `SELECT state, application_name, extract(epoch FROM now() - state_change)::float8
		FROM pg_stat_get_activity(NULL) WHERE state LIKE 'idle%' AND pid <> pg_backend_pid()`,
}

var idleSeconds = &collector.Family{
	Name: "pg_process_idle_seconds", Type: collector.Histogram, Labels: []string{"state", "application_name"},
	Help: "How long sessions have been idle, in or out of a transaction. A histogram of now: its buckets go down, too.",
}

var idleEdges = []float64{1, 2, 5, 15, 30, 60, 90, 120, 300}

type idleTimes struct {
	fold  func(string) string
	text  func([]byte) string
	found map[[2]string]*dto.Histogram // by state and application_name
}

func (i *idleTimes) begin() [][]byte {
	i.found = make(map[[2]string]*dto.Histogram)
	return nil
}

func (i *idleTimes) row(_ *samples, row [][]byte) error {
	seconds, err := strconv.ParseFloat(string(row[2]), 64)
	if err != nil {
		return fmt.Errorf("idle time: %w", err)
	}
	key := [2]string{i.text(row[0]), i.fold(i.text(row[1]))}
	h := i.found[key]
	if h == nil {
		h = &dto.Histogram{SampleCount: new(uint64), SampleSum: new(float64)}
		for _, edge := range idleEdges {
			h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: new(edge), CumulativeCount: new(uint64)})
		}
		i.found[key] = h
	}
	*h.SampleCount++
	*h.SampleSum += seconds
	for _, b := range h.Bucket {
		if seconds <= *b.UpperBound {
			*b.CumulativeCount++
		}
	}
	return nil
}

func (i *idleTimes) end(out *samples) error {
	if len(i.found) == 0 {
		return nil
	}
	mf := &dto.MetricFamily{Name: new(idleSeconds.Name), Help: new(idleSeconds.Help), Type: dto.MetricType_HISTOGRAM.Enum()}
	for key, h := range i.found {
		m := &dto.Metric{Histogram: h}
		for n, label := range idleSeconds.Labels {
			m.Label = append(m.Label, &dto.LabelPair{Name: new(label), Value: new(key[n])})
		}
		mf.Metric = append(mf.Metric, m)
	}
	slices.SortFunc(mf.Metric, func(a, b *dto.Metric) int {
		return slices.CompareFunc(a.Label, b.Label, func(x, y *dto.LabelPair) int { return strings.Compare(x.GetValue(), y.GetValue()) })
	})
	out.histograms = []*dto.MetricFamily{mf}
	return nil
}
