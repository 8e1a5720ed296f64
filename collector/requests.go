package collector

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// requestMetrics tell about requests for metrics, under the names of client_golang's handler. A nil one counts nothing.
type requestMetrics struct {
	answered *prometheus.CounterVec
	inFlight prometheus.Gauge
	errors   *prometheus.CounterVec
}

// What can go wrong with an answer, apart from a request that asks for what there is not.
const (
	causeGathering = "gathering"
	causeEncoding  = "encoding"
)

func newRequestMetrics(reg prometheus.Registerer) *requestMetrics {
	m := &requestMetrics{
		answered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "promhttp_metric_handler_requests_total", Help: "Scrapes answered, by HTTP status code.",
		}, []string{"code"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "promhttp_metric_handler_requests_in_flight", Help: "Scrapes being answered, this one among them.",
		}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "promhttp_metric_handler_errors_total", Help: "Scrapes whose answer lacked the program's own metrics or could not be written, by cause.",
		}, []string{"cause"}),
	}
	for _, code := range []int{http.StatusOK, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		m.answered.WithLabelValues(strconv.Itoa(code))
	}
	m.errors.WithLabelValues(causeGathering)
	m.errors.WithLabelValues(causeEncoding)
	reg.MustRegister(m.answered, m.inFlight, m.errors)
	return m
}

// begin counts a request that end is called for.
func (m *requestMetrics) begin() {
	if m != nil {
		m.inFlight.Inc()
	}
}

func (m *requestMetrics) end(code int) {
	if m != nil {
		m.inFlight.Dec()
		m.answered.WithLabelValues(strconv.Itoa(code)).Inc()
	}
}

func (m *requestMetrics) failed(cause string) {
	if m != nil {
		m.errors.WithLabelValues(cause).Inc()
	}
}
