package intake

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/policy"
)

// Metrics count what the webhook takes and refuses.
type Metrics struct {
	requests *prometheus.CounterVec
	duration prometheus.Histogram
	alerts   *prometheus.CounterVec
	received *prometheus.GaugeVec
	watchdog *prometheus.GaugeVec
	missing  *prometheus.CounterVec
}

// NewMetrics registers the webhook's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chronoops_webhook_requests_total",
			Help: "Webhook requests by source and outcome: ok, repeat, or the code of the refusal.",
		}, []string{"source", "code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "chronoops_webhook_duration_seconds",
			Help:    "Time from a webhook request to its answer; the answer follows the commit.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chronoops_webhook_alerts_total",
			Help: "Alerts taken from webhook messages by what they changed.",
		}, []string{"source", "outcome"}),
		received: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chronoops_webhook_last_received_timestamp_seconds",
			Help: "When a message of the source was last stored.",
		}, []string{"source"}),
		watchdog: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "chronoops_watchdog_last_received_timestamp_seconds",
			Help: "When the Watchdog alert of the source was last received.",
		}, []string{"source"}),
		missing: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chronoops_webhook_truncated_alerts_total",
			Help: "Alerts that Alertmanager left out of its messages because of max_alerts.",
		}, []string{"source"}),
	}
	reg.MustRegister(m.requests, m.duration, m.alerts, m.received, m.watchdog, m.missing)
	return m
}

func (m *Metrics) request(source, code string, took time.Duration) {
	m.requests.WithLabelValues(source, code).Inc()
	m.duration.Observe(took.Seconds())
}

func (m *Metrics) committed(source string, msg Message, outcomes map[incident.Outcome]int) {
	for outcome, n := range outcomes {
		m.alerts.WithLabelValues(source, string(outcome)).Add(float64(n))
	}
	m.received.WithLabelValues(source).SetToCurrentTime()
	m.missing.WithLabelValues(source).Add(float64(msg.Truncated))
	for _, a := range msg.Alerts {
		if a.Firing && policy.IsWatchdog(a.Labels) {
			m.watchdog.WithLabelValues(source).SetToCurrentTime()
		}
	}
}
