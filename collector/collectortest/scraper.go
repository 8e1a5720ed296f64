package collectortest

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// Scraper scrapes one collector again and again, as a server would, and keeps what it logs.
type Scraper struct {
	t   testing.TB
	set *collector.Set
	log logBuffer
}

// Outcome is what one scrape gave.
type Outcome struct {
	Text    string          // as Scrape returns it
	Success map[string]bool // by part
	NoData  map[string]bool // by part: no success, because there is nothing to read
	Took    time.Duration
}

// NewScraper returns a scraper of the parts of c that are named, all if none are.
func NewScraper(t testing.TB, c collector.Collector, parts ...string) *Scraper {
	t.Helper()
	s := &Scraper{t: t}
	log := slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	on := make(map[string]bool)
	for _, p := range c.Parts() {
		on[p.Name] = len(parts) == 0 || slices.Contains(parts, p.Name)
	}
	sel, err := collector.NewSelection(c.Parts(), true, on)
	if err != nil {
		t.Fatal(err)
	}
	s.set, err = collector.NewSet([]*collector.Unit{collector.NewUnit("test", c, log)},
		collector.SetOptions{Selection: sel, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Scrape scrapes once within the timeout.
func (s *Scraper) Scrape(timeout time.Duration) Outcome {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), timeout)
	defer cancel()
	start := time.Now()
	snap, err := s.set.Scrape(ctx, collector.Query{})
	took := time.Since(start)
	if err != nil {
		s.t.Fatal(err)
	}
	if n := len(snap.Duplicates()); n > 0 {
		s.t.Errorf("duplicate series in %v", snap.Duplicates())
	}
	text, success, noData := split(string(snap.AppendText(nil)))
	return Outcome{Text: text, Success: success, NoData: noData, Took: took}
}

// Log returns what was logged so far, one line each.
func (s *Scraper) Log() []string { return s.log.lines() }

// Sample returns the value of the sample that is written `name{labels}`, as text; empty if there is none.
func (o Outcome) Sample(series string) string {
	for line := range strings.Lines(o.Text) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSuffix(value, "\n")
		}
	}
	return ""
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.FieldsFunc(l.b.String(), func(r rune) bool { return r == '\n' })
}

// Run scrapes once and throws the result away: the body of a benchmark.
func (s *Scraper) Run(ctx context.Context) error {
	_, err := s.set.Scrape(ctx, collector.Query{})
	return err
}
