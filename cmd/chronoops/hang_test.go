package main

import (
	"testing"
	"time"

	"github.com/chronoops/chronoops/collector/collectortest"
)

// Targets that accept and never answer, or reset, cost their own samples and never the scrape.
func TestHangingTargets(t *testing.T) {
	t.Parallel()
	p := start(t, folder(t, `
targets:
  postgres:
    - {name: silent, dsn: 'postgres://u@`+collectortest.Silent(t)+`/d?sslmode=disable', on_metrics: true}
    - {name: resetting, dsn: 'postgres://u@`+collectortest.Resetting(t)+`/d?sslmode=disable'}
  redis:
    - {name: cache, url: 'redis://`+collectortest.Silent(t)+`/0', on_metrics: true}
    - {name: queue, url: 'redis://`+collectortest.Resetting(t)+`/0'}
  api:
    - {name: backend, url: 'http://`+collectortest.Silent(t)+`', probes: [/health], on_metrics: true}
    - {name: front, url: 'http://`+collectortest.Resetting(t)+`', probes: [/health]}
receiver: {}
`))
	const deadline = "X-Prometheus-Scrape-Timeout-Seconds: 3"
	bound := 9 * time.Second // without a deadline of their own the targets would hang for minutes
	for range 2 {            // also while the first collections may still be ending
		began := time.Now()
		m := p.metrics(deadline)
		if took := time.Since(began); took > bound {
			t.Errorf("the scrape took %s", took)
		}
		for series, want := range map[string]string{
			"pg_up": "0", "redis_up": "0", "chronoops_receiver_up": "1",
			`chronoops_scrape_collector_success{collector="postgres"}`:      "0",
			`chronoops_scrape_collector_success{collector="stat_activity"}`: "0",
			`chronoops_scrape_collector_success{collector="redis"}`:         "0",
			`chronoops_scrape_collector_success{collector="loadavg"}`:       "1",
			`chronoops_scrape_collector_success{collector="meminfo"}`:       "1",
			`chronoops_scrape_collector_success{collector="http_probe"}`:    "1", // a target that is down is a result
		} {
			if m[series] != want {
				t.Errorf("%s is %q, want %q", series, m[series], want)
			}
		}
		if got := one(m, "probe_success"); got != "0" {
			t.Errorf("probe_success is %q", got)
		}
		for _, series := range []string{"node_load1", "node_memory_MemTotal_bytes", "node_time_seconds", "chronoops_build_info"} {
			if one(m, series) == "" {
				t.Errorf("%s is not there", series)
			}
		}
	}
	for name, up := range map[string]string{"silent": "pg_up", "resetting": "pg_up", "cache": "redis_up", "queue": "redis_up", "backend": "probe_success", "front": "probe_success"} {
		began := time.Now()
		m := samples(p.get("/probe?target="+name, deadline).body)
		if took := time.Since(began); took > bound {
			t.Errorf("the probe of %s took %s", name, took)
		}
		if got := one(m, up); got != "0" {
			t.Errorf("%s of %s is %q", up, name, got)
		}
	}
}
