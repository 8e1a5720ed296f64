package postgres

import (
	"time"

	"github.com/chronoops/chronoops/collector"
)

// The families that postgres_exporter has of itself, which popular dashboards choose their instances by.
var (
	lastDuration = &collector.Family{
		Name: "pg_exporter_last_scrape_duration_seconds", Type: collector.Gauge,
		Help: "Time that asking the server took in this scrape.",
	}
	lastError = &collector.Family{
		Name: "pg_exporter_last_scrape_error", Type: collector.Gauge,
		Help: "1 if the server could not be read in this scrape; chronoops_target_down tells why.",
	}
	scrapes = &collector.Family{
		Name: "pg_exporter_scrapes_total", Type: collector.Counter, Help: "Scrapes of this server.",
	}
)

// writeOwn records how the scrape went.
func (c *Collector) writeOwn(w *collector.Writer, took time.Duration, failed bool) {
	c.scrapes++
	value := 0.0
	if failed {
		value = 1
	}
	w.Add(lastDuration, took.Seconds())
	w.Add(lastError, value)
	w.Add(scrapes, float64(c.scrapes))
}
