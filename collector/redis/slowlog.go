package redis

import (
	"errors"
	"math"

	"github.com/chronoops/chronoops/collector"
)

var (
	slowlogLength = &collector.Family{
		Name: "redis_slowlog_length", Type: collector.Gauge, Help: "Entries in the log of slow commands.",
	}
	slowlogLastID = &collector.Family{
		Name: "redis_slowlog_last_id", Type: collector.Gauge,
		Help: "Number of the newest entry in the log of slow commands; 0 if there is none, and the first entry has 0 too.",
	}
	slowlogLastDuration = &collector.Family{
		Name: "redis_last_slow_execution_duration_seconds", Type: collector.Gauge,
		Help: "How long the command of the newest entry in the log of slow commands took; 0 if there is none.",
	}
	slowlogLastAge = &collector.Family{
		Name: "chronoops_redis_slowlog_last_age_seconds", Type: collector.Gauge,
		Help: "Age of the newest entry in the log of slow commands by the server's clock; absent if there is none.",
	}
	commandlogSlow         = commandlogGauge("slow_length", "Entries in the log of slow commands; Valkey 8.1 and later.")
	commandlogLargeRequest = commandlogGauge("large_request_length", "Entries in the log of large requests; Valkey 8.1 and later.")
	commandlogLargeReply   = commandlogGauge("large_reply_length", "Entries in the log of large replies; Valkey 8.1 and later.")
)

func commandlogGauge(name, help string) *collector.Family {
	return &collector.Family{Name: "redis_commandlog_" + name, Type: collector.Gauge, Help: help}
}

func slowlogFamilies() []*collector.Family {
	return []*collector.Family{
		slowlogLength, slowlogLastID, slowlogLastDuration, slowlogLastAge, commandlogSlow, commandlogLargeRequest, commandlogLargeReply,
	}
}

var (
	slowlogLen  = newCommand(2, "SLOWLOG", "LEN")
	slowlogLast = newCommand(2, "SLOWLOG", "GET", "1")
)

// commandlogs are the lengths of Valkey's logs.
var commandlogs = []struct {
	command command
	family  *collector.Family
}{
	{newCommand(2, "COMMANDLOG", "LEN", "slow"), commandlogSlow},
	{newCommand(2, "COMMANDLOG", "LEN", "large-request"), commandlogLargeRequest},
	{newCommand(2, "COMMANDLOG", "LEN", "large-reply"), commandlogLargeReply},
}

func slowlogCommands(c *Collector, _ *scrape) []command {
	if c.known.sentinel {
		return nil
	}
	list := []command{slowlogLen, slowlogLast}
	if c.known.valkey.since(8, 1) {
		for _, l := range commandlogs {
			list = append(list, l.command)
		}
	}
	return list
}

func writeSlowlog(w *collector.Writer, s *scrape) error {
	errs := []error{writeLength(w, s, slowlogLen, slowlogLength), writeLastSlow(w, s)}
	for _, l := range commandlogs {
		errs = append(errs, writeLength(w, s, l.command, l.family))
	}
	return errors.Join(errs...)
}

func writeLength(w *collector.Writer, s *scrape, command command, family *collector.Family) error {
	reply, ok, err := s.heard.get(command)
	if err != nil || !ok {
		return err
	}
	if n, ok := reply.number(); ok {
		w.Add(family, n)
	}
	return nil
}

// writeLastSlow reads the newest entry: id, Unix time, microseconds, and then the command, which goes nowhere.
func writeLastSlow(w *collector.Writer, s *scrape) error {
	reply, ok, err := s.heard.get(slowlogLast)
	if err != nil || !ok {
		return err
	}
	var id, duration float64
	reply.elements(func(entry cursor) {
		var values []float64
		entry.elements(func(v cursor) {
			if n, ok := v.number(); ok && len(values) < 3 {
				values = append(values, n)
			}
		})
		if len(values) < 3 {
			return
		}
		id, duration = values[0], values[2]/1e6
		w.Add(slowlogLastAge, math.Max(0, s.id.clock(s.now)-values[1]))
	})
	w.Add(slowlogLastID, id)
	w.Add(slowlogLastDuration, duration)
	return nil
}
