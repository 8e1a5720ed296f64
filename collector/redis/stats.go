package redis

import (
	"strings"

	"github.com/chronoops/chronoops/collector"
)

func perCommand(name, help string) *collector.Family {
	return &collector.Family{Name: "redis_commands_" + name, Type: collector.Counter, Labels: []string{"cmd"}, Help: help}
}

var (
	commands         = perCommand("total", "Calls of the command.")
	commandDuration  = perCommand("duration_seconds_total", "Time spent in the command.")
	commandsRejected = perCommand("rejected_calls_total", "Calls refused before the command was executed.")
	commandsFailed   = perCommand("failed_calls_total", "Calls that failed while the command was executed.")

	errorReplies = &collector.Family{
		Name: "redis_errors_total", Type: collector.Counter, Labels: []string{"err"},
		Help: "Error replies by the first word of the reply; words beyond the first hundred count as other.",
	}
)

func callFamilies() []*collector.Family {
	return []*collector.Family{commands, commandDuration, commandsRejected, commandsFailed}
}

// mostErrors bounds the error words: before Redis 7.2 scripts can make up any number of them.
const mostErrors = 100

// calls is how often a command was called and how that went.
type calls struct {
	cmd                       string
	n, usec, rejected, failed float64
	outcomes                  bool // rejected and failed are known, since Redis 6.2
}

// parseCalls reads "cmdstat_get:calls=21,usec=175,usec_per_call=8.33,rejected_calls=0,failed_calls=0".
func parseCalls(key, value string) (c calls, ok bool) {
	if c.cmd, ok = strings.CutPrefix(key, "cmdstat_"); !ok {
		return c, false
	}
	for p := (pairs{rest: value}); p.next(); {
		v, ok := number(p.value)
		if !ok {
			continue
		}
		switch p.key {
		case "calls":
			c.n = v
		case "usec":
			c.usec = v
		case "rejected_calls":
			c.rejected, c.outcomes = v, true
		case "failed_calls":
			c.failed = v
		}
	}
	return c, true
}

func writeCalls(w *collector.Writer, s *scrape) error {
	for _, c := range s.calls {
		w.Add(commands, c.n, c.cmd)
		w.Add(commandDuration, c.usec/1e6, c.cmd)
		if c.outcomes {
			w.Add(commandsRejected, c.rejected, c.cmd)
			w.Add(commandsFailed, c.failed, c.cmd)
		}
	}
	return nil
}

// writeErrors records "errorstat_ERR:count=4". INFO lists the words in order, so that the same ones are folded each time.
func writeErrors(w *collector.Writer, s *scrape) error {
	n, other := 0, 0.0
	s.info.each("Errorstats", func(key, value string) {
		word, ok := strings.CutPrefix(key, "errorstat_")
		if !ok {
			return
		}
		for p := (pairs{rest: value}); p.next(); {
			v, ok := number(p.value)
			if !ok || p.key != "count" {
				continue
			}
			if n++; n > mostErrors {
				other += v
				continue
			}
			w.Add(errorReplies, v, word)
		}
	})
	if n > mostErrors {
		w.Add(errorReplies, other, "other")
	}
	return nil
}
