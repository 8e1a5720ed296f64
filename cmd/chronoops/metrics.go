package main

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/common/version"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/host"
	"github.com/chronoops/chronoops/rules"
)

// ownMetrics are the program's own, beside those that its packages register.
type ownMetrics struct {
	reloadOK   prometheus.Gauge
	reloadTime prometheus.Gauge
	receiverUp prometheus.Gauge
}

func newRegistry(exporterMetrics bool) (*prometheus.Registry, *ownMetrics) {
	reg := prometheus.NewRegistry()
	if exporterMetrics {
		reg.MustRegister(collectors.NewGoCollector())
	}
	return reg, registerOwnMetrics(reg)
}

// newOwnUnits returns what collects the program's own metrics: those of its registry, and process_*.
func newOwnUnits(reg prometheus.Gatherer, exporterMetrics bool, log *slog.Logger) ([]*collector.Unit, error) {
	units := []*collector.Unit{collector.NewUnit("own", collector.Registry{Gatherer: reg}, log)}
	if exporterMetrics {
		process, err := host.NewProcess()
		if err != nil {
			return nil, err
		}
		units = append(units, collector.NewUnit("process", process, log))
	}
	return units, nil
}

func registerOwnMetrics(reg prometheus.Registerer) *ownMetrics {
	m := &ownMetrics{
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chronoops_config_last_reload_successful", Help: "1 if the last load of the configuration succeeded.",
		}),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chronoops_config_last_reload_success_timestamp_seconds", Help: "When the configuration was last loaded with success.",
		}),
		receiverUp: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chronoops_receiver_up", Help: "1 if the receiver takes alerts; 0 if it is configured and could not start. See the log and /-/ready.",
		}),
	}
	shipped := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "chronoops_rules_shipped_info", Help: "Version of the alert rules that this binary ships.",
	}, []string{"version"})
	shipped.WithLabelValues(rules.Version).Set(1)
	reg.MustRegister(shipped, versioncollector.NewCollector("chronoops"), m.reloadOK, m.reloadTime, m.receiverUp)
	return m
}

// standIn says of which version the program is that stands in for an exporter, under the exporter's name.
func standIn(exporter string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: exporter + "_build_info", Help: "Always 1; chronoops stands in for " + exporter + ", and this is the build of chronoops.",
		ConstLabels: prometheus.Labels{
			"version": version.Version, "revision": version.GetRevision(), "branch": version.Branch, "tags": version.GetTags(),
			"goversion": version.GoVersion, "goos": version.GoOS, "goarch": version.GoArch,
		},
	}, func() float64 { return 1 })
}

// heartbeatMetrics tell whether others know that we are alive.
type heartbeatMetrics struct {
	sent *prometheus.CounterVec
	last prometheus.Gauge
}

func newHeartbeatMetrics(reg prometheus.Registerer) heartbeatMetrics {
	m := heartbeatMetrics{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chronoops_heartbeats_total", Help: "Outgoing heartbeats by result.",
		}, []string{"result"}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chronoops_heartbeat_last_success_timestamp_seconds", Help: "When a heartbeat was last accepted; 0 before the first.",
		}),
	}
	reg.MustRegister(m.sent, m.last)
	return m
}

func (m heartbeatMetrics) observe(err error) {
	if err != nil {
		m.sent.WithLabelValues("failed").Inc()
		return
	}
	m.sent.WithLabelValues("accepted").Inc()
	m.last.SetToCurrentTime()
}
