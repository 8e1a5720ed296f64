package redis

import (
	"errors"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	spikeLast = &collector.Family{
		Name: "redis_latency_spike_last", Type: collector.Gauge, Labels: []string{"event_name"},
		Help: "Unix time of the last latency spike of the event; needs latency-monitor-threshold above 0.",
	}
	spikeDuration = &collector.Family{
		Name: "redis_latency_spike_duration_seconds", Type: collector.Gauge, Labels: []string{"event_name"},
		Help: "How long the last latency spike of the event took.",
	}
	percentiles = &collector.Family{
		Name: "redis_latency_percentiles_usec", Type: collector.Summary, Labels: []string{"cmd"},
		Help: "Latency of the command in microseconds since the start of the server. The quantiles are percentages, such as 99.9, " +
			"and tell nothing about the last minutes: chronoops_redis_command_duration_seconds does.",
	}
	latencies = &collector.Family{
		Name: "redis_commands_latencies_usec", Type: collector.Histogram, Labels: []string{"cmd"},
		Help: "Latency of the command in microseconds. Buckets that are empty so far are missing, so that the bounds differ by command " +
			"and over time and cannot be added up: chronoops_redis_command_duration_seconds has the same ones always.",
	}
	durations = &collector.Family{
		Name: "chronoops_redis_command_duration_seconds", Type: collector.Histogram, Labels: []string{"cmd"},
		Help: "Time spent in the command, with the same buckets for every command; Redis 7 and later.",
	}
)

func latencyFamilies() []*collector.Family { return []*collector.Family{spikeLast, spikeDuration} }

func distributionFamilies() []*collector.Family { return []*collector.Family{latencies, durations} }

var (
	latencyLatest    = newCommand(2, "LATENCY", "LATEST")
	latencyHistogram = newCommand(2, "LATENCY", "HISTOGRAM")
)

func latencyCommands(c *Collector, _ *scrape) []command {
	if c.known.sentinel {
		return nil
	}
	return []command{latencyLatest}
}

func distributionCommands(c *Collector, _ *scrape) []command {
	if c.known.sentinel || !c.known.version.since(7, 0) {
		return nil
	}
	return []command{latencyHistogram}
}

// writeLatency records the elements of LATENCY LATEST: event, Unix time, milliseconds of the last and of the longest.
func writeLatency(w *collector.Writer, s *scrape) error {
	reply, _, err := s.heard.get(latencyLatest)
	if err != nil {
		return err
	}
	reply.elements(func(one cursor) {
		var words []string
		one.elements(func(v cursor) { words = append(words, v.text()) })
		if len(words) < 3 {
			return
		}
		if at, ok := number(words[1]); ok {
			w.Add(spikeLast, at, words[0])
		}
		if ms, ok := number(words[2]); ok {
			w.Add(spikeDuration, ms/1000, words[0])
		}
	})
	return nil
}

// writePercentiles records "latency_percentiles_usec_get:p50=1.003,p99=2.007,p99.9=3.007".
func writePercentiles(w *collector.Writer, s *scrape) error {
	out := &distributions{family: percentiles}
	s.info.each("Latencystats", func(key, value string) {
		cmd, ok := strings.CutPrefix(key, "latency_percentiles_usec_")
		calls, known := s.callsOf(cmd)
		if !ok || !known {
			return
		}
		out.begin(cmd, uint64(calls.n), calls.usec)
		for p := (pairs{rest: value}); p.next(); {
			at, ok1 := number(strings.TrimPrefix(p.key, "p"))
			v, ok2 := number(p.value)
			if ok1 && ok2 {
				out.quantile(at, v)
			}
		}
	})
	return w.Gather(out)
}

// bounds are those of the stable histogram in microseconds: every second one that LATENCY HISTOGRAM can have, so that
// each count is exact.
var bounds = [...]uint64{4, 16, 66, 264, 1056, 4227, 16908, 67633, 270532, 1073741}

// writeDistributions reads pairs of a command and ["calls", n, "histogram_usec", [bound, cumulative count, …]].
func writeDistributions(w *collector.Writer, s *scrape) error {
	reply, _, err := s.heard.get(latencyHistogram)
	if err != nil {
		return err
	}
	compatible, stable := &distributions{family: latencies}, &distributions{family: durations}
	var found []point
	reply.pairs(func(cmd string, details cursor) {
		found = found[:0]
		var count uint64
		details.pairs(func(name string, value cursor) {
			switch name {
			case "calls":
				n, _ := value.number()
				count = uint64(max(n, 0))
			case "histogram_usec":
				value.pairs(func(bound string, cumulative cursor) {
					at, err := strconv.ParseUint(bound, 10, 64)
					n, ok := cumulative.number()
					if err == nil && ok && n >= 0 {
						found = append(found, point{at: float64(at), count: uint64(n)})
					}
				})
			}
		})
		usec := s.spent(cmd)
		compatible.begin(cmd, count, usec)
		compatible.points = append(compatible.points, found...)
		stable.begin(cmd, count, usec/1e6)
		fill(stable, found)
	})
	return errors.Join(w.Gather(compatible), w.Gather(stable))
}

// fill gives every bucket the count that is known up to its bound.
func fill(d *distributions, found []point) {
	var n uint64
	i := 0
	for _, bound := range bounds {
		for i < len(found) && found[i].at <= float64(bound) {
			n = max(n, found[i].count)
			i++
		}
		d.bucket(float64(bound)/1e6, n)
	}
}

// spent returns the microseconds that a command took, or all of its subcommands.
func (s *scrape) spent(cmd string) (usec float64) {
	if c, ok := s.callsOf(cmd); ok {
		return c.usec
	}
	for _, c := range s.calls {
		if rest, ok := strings.CutPrefix(c.cmd, cmd); ok && strings.HasPrefix(rest, "|") {
			usec += c.usec
		}
	}
	return usec
}
