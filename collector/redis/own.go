package redis

import (
	"context"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/version"
	goredis "github.com/redis/go-redis/v9"

	"github.com/chronoops/chronoops/collector"
)

// The families that redis_exporter has of itself.
var (
	buildInfo = &collector.Family{
		Name: "redis_exporter_build_info", Type: collector.Gauge, Labels: []string{"version", "commit_sha", "build_date", "golang_version"},
		Help: "Always 1; the labels tell which chronoops this is.",
	}
	connectTime = &collector.Family{
		Name: "redis_exporter_last_scrape_connect_time_seconds", Type: collector.Gauge,
		Help: "Time that the last connect took, TLS included and login not. The connection is kept, so that this is rarely of the last scrape.",
	}
	scrapeTime = &collector.Family{
		Name: "redis_exporter_last_scrape_duration_seconds", Type: collector.Gauge,
		Help: "Time that asking the server took in this scrape, steps of key checks not counted.",
	}
	scrapeError = &collector.Family{
		Name: "redis_exporter_last_scrape_error", Type: collector.Gauge, Labels: []string{"err"},
		Help: "1 if the server could not be read; err is the reason as in chronoops_target_down, the log has the words.",
	}
	scrapeTimes = &collector.Family{
		Name: "redis_exporter_scrape_duration_seconds", Type: collector.Summary,
		Help: "Times that asking the server took.",
	}
	scrapes = &collector.Family{
		Name: "redis_exporter_scrapes_total", Type: collector.Counter, Help: "Scrapes of this server.",
	}
	requestErrors = &collector.Family{
		Name: "redis_target_scrape_request_errors_total", Type: collector.Counter,
		Help: "Always 0: a request for a target that is not configured is answered with an HTTP error and counted by Prometheus.",
	}
)

func ownFamilies() []*collector.Family {
	return []*collector.Family{buildInfo, connectTime, scrapeTime, scrapeError, scrapeTimes, scrapes, requestErrors}
}

// ownStats is how reading one server has gone.
type ownStats struct {
	n       uint64
	sum     float64
	last    time.Duration
	connect atomic.Int64 // nanoseconds; the client connects in a goroutine of its own
}

func (o *ownStats) observe(took time.Duration) {
	o.n++
	o.sum += took.Seconds()
	o.last = took
}

// write records the families; why is the reason for not reading the server, "" if it was read.
func (o *ownStats) write(w *collector.Writer, why string) error {
	failed := 0.0
	if why != "" {
		failed = 1
	}
	w.Add(buildInfo, 1, version.Version, version.GetRevision(), version.BuildDate, runtime.Version())
	w.Add(connectTime, time.Duration(o.connect.Load()).Seconds())
	w.Add(scrapeTime, o.last.Seconds())
	w.Add(scrapeError, failed, why)
	w.Add(scrapes, float64(o.n))
	w.Add(requestErrors, 0)
	times := &distributions{family: scrapeTimes}
	times.begin("", o.n, o.sum)
	return w.Gather(times)
}

// timed makes the client tell how long a connect took.
func (c *Collector) timed(o *goredis.Options) *goredis.Options {
	dial := o.Dialer
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		start := time.Now()
		conn, err := dial(ctx, network, addr)
		c.own.connect.Store(int64(time.Since(start)))
		return conn, err
	}
	return o
}
