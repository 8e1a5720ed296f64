package api

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

const (
	sampleEvery = time.Minute
	sampleBytes = 200
)

// accessLog turns the lines of one log into request metrics.
type accessLog struct {
	target   string
	tail     *tailer
	parse    parser
	requests *requests
	log      *slog.Logger

	entry    entry
	lines    uint64
	unparsed uint64
	sampled  time.Time
}

func newAccessLog(target string, cfg AccessLogConfig, stateFile string, log *slog.Logger) (*accessLog, error) {
	parse, err := parserOf(cfg.Format)
	if err != nil {
		return nil, err
	}
	routes, err := newRouter(cfg.Routes, cfg.MaxRoutes)
	if err != nil {
		return nil, err
	}
	a := &accessLog{target: target, parse: parse, requests: newRequests(routes), log: log}
	a.tail = newTailer(cfg.Path, stateFile, log, a.take)
	return a, nil
}

// take counts one line; the tailer's lock is held.
func (a *accessLog) take(line []byte, whole bool) {
	line = bytes.TrimRight(line, "\r")
	if len(line) == 0 {
		return
	}
	a.lines++
	if whole && a.parse(line, &a.entry) {
		a.requests.add(&a.entry)
		return
	}
	a.unparsed++
	if now := a.tail.now(); now.Sub(a.sampled) >= sampleEvery {
		a.sampled = now
		a.log.Warn("Cannot parse access-log line", "path", a.tail.path, "line", sample(line), "unparsed", a.unparsed)
	}
}

var query = regexp.MustCompile(`\?[^ "]*`)

// sample shortens a line for the log and hides the queries in it, which may carry tokens.
func sample(line []byte) string {
	line = line[:min(len(line), 4*sampleBytes)]
	text := query.ReplaceAllString(strings.ToValidUTF8(string(line), "\uFFFD"), "?…")
	if len(text) > sampleBytes {
		text = strings.ToValidUTF8(text[:sampleBytes], "") + "…"
	}
	return text
}

func (a *accessLog) collect(ctx context.Context, w *collector.Writer) error {
	return a.tail.sync(ctx, func(_ bool, err error) error {
		w.Add(logLines, float64(a.lines), a.target)
		w.Add(logUnparsed, float64(a.unparsed), a.target)
		w.Add(logSkipped, float64(a.tail.skipped), a.target)
		w.Add(logLag, float64(a.tail.lag()), a.target)
		a.requests.each(func(n uint64, method, status, route string) {
			w.Add(requestsTotal, float64(n), method, status, route)
		})
		if gerr := w.Gather(a.requests); gerr != nil {
			return gerr
		}
		return err
	})
}
