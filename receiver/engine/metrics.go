package engine

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/policy"
)

// Metrics count what the engine did.
type Metrics struct {
	repairs  *prometheus.CounterVec
	last     *prometheus.GaugeVec
	duration *prometheus.HistogramVec
	refusals *prometheus.CounterVec
	pages    *prometheus.CounterVec
	open     *prometheus.GaugeVec
	overdue  *prometheus.GaugeVec
	paused   prometheus.Gauge
}

// NewMetrics registers the engine's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		repairs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chronoops_repairs_total", Help: "Repair attempts by how they ended.",
		}, []string{"policy", "action", "outcome"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chronoops_repair_last_timestamp_seconds", Help: "When a repair of the resource last ended; only repairs that acted.",
		}, []string{"policy", "resource"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chronoops_repair_duration_seconds", Help: "Time from the start of an effect to its proof, or to the end without one.",
			Buckets: []float64{1, 5, 15, 30, 60, 120, 300, 600, 1800},
		}, []string{"action"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chronoops_guard_refusals_total", Help: "Repairs that a guard refused; one that is refused again for the same reason counts again.",
		}, []string{"guard", "policy"}),
		pages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chronoops_pages_total", Help: "Sends of pages by kind, level and what the provider made of them.",
		}, []string{"kind", "level", "outcome"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chronoops_incidents_open", Help: "Open incidents.",
		}, []string{"priority"}),
		overdue: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chronoops_engine_overdue_seconds", Help: "How long the longest waiting row of a lane has been due.",
		}, []string{"lane"}),
		paused: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chronoops_repairs_paused", Help: "1 while repairs are paused by a person, a file or a new store.",
		}),
	}
	reg.MustRegister(m.repairs, m.last, m.duration, m.refusals, m.pages, m.open, m.overdue, m.paused)
	return m
}

// Init exports the counters of every configured repair from 0, so that increase() sees the first one.
func (m *Metrics) Init(set *policy.Set) {
	for _, p := range set.Policies {
		for _, step := range p.Repair {
			for _, outcome := range []receiver.AttemptState{receiver.AttemptVerified, receiver.AttemptFailed, receiver.AttemptUnknown, receiver.AttemptShadowed} {
				m.repairs.WithLabelValues(p.Name, step.Action, string(outcome))
			}
		}
	}
	for _, kind := range []receiver.NoticeKind{receiver.NoticeFiring, receiver.NoticeResolved, receiver.NoticeRepaired} {
		for _, outcome := range []receiver.SendOutcome{receiver.SendDelivered, receiver.SendRetry, receiver.SendRefused, receiver.SendUnknown} {
			m.pages.WithLabelValues(string(kind), "1", outcome.String())
		}
	}
}

func (m *Metrics) settled(a receiver.Attempt, to receiver.AttemptState, guard string, now time.Time) {
	if guard != "" {
		m.refusals.WithLabelValues(guard, a.Policy).Inc()
	}
	if !to.Final() {
		return
	}
	m.repairs.WithLabelValues(a.Policy, a.Action, string(to)).Inc()
	if !a.Started.IsZero() {
		m.last.WithLabelValues(a.Policy, a.Resource).Set(float64(now.UnixMilli()) / 1000)
		m.duration.WithLabelValues(a.Action).Observe(now.Sub(a.Started).Seconds())
	}
}

func (m *Metrics) paged(p receiver.Page, outcome receiver.SendOutcome) {
	m.pages.WithLabelValues(string(p.Kind), strconv.Itoa(p.Level), outcome.String()).Inc()
}
