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

// mostErrors bounds the error words: before Redis 7.2 scripts can make up any number of them.
const mostErrors = 100

// commandStats records "cmdstat_get:calls=21,usec=175,usec_per_call=8.33,rejected_calls=0,failed_calls=0".
func commandStats(w *collector.Writer, key, value string) {
	cmd, ok := strings.CutPrefix(key, "cmdstat_")
	if !ok {
		return
	}
	for p := (pairs{rest: value}); p.next(); {
		v, ok := number(p.value)
		if !ok {
			continue
		}
		switch p.key {
		case "calls":
			w.Add(commands, v, cmd)
		case "usec":
			w.Add(commandDuration, v/1e6, cmd)
		case "rejected_calls":
			w.Add(commandsRejected, v, cmd)
		case "failed_calls":
			w.Add(commandsFailed, v, cmd)
		}
	}
}

// errorStats records "errorstat_ERR:count=4". INFO lists the words in order, so that the same ones are folded each time.
type errorStats struct {
	n     int
	other float64
}

func (e *errorStats) line(w *collector.Writer, key, value string) {
	word, ok := strings.CutPrefix(key, "errorstat_")
	if !ok {
		return
	}
	for p := (pairs{rest: value}); p.next(); {
		v, ok := number(p.value)
		if !ok || p.key != "count" {
			continue
		}
		if e.n++; e.n > mostErrors {
			e.other += v
			continue
		}
		w.Add(errorReplies, v, word)
	}
}

func (e *errorStats) done(w *collector.Writer) {
	if e.n > mostErrors {
		w.Add(errorReplies, e.other, "other")
	}
}
