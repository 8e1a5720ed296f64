package redis

import (
	"errors"
	"time"

	"github.com/chronoops/chronoops/collector"
)

// scrape is what one scrape has heard.
type scrape struct {
	now   time.Time
	heard heard
	info  report
	id    identity
	calls []calls
	named map[string]int // the index of a command's calls

	settingsErr error // why the parameters are not known
}

// read takes the reply to INFO.
func (s *scrape) read(info command) error {
	reply, _, err := s.heard.get(info)
	if err != nil {
		return s.heard[info.text].err
	}
	text := reply.text()
	if text == "" {
		return errors.New("the reply to INFO is empty")
	}
	s.info = cut(text)
	s.id = identify(s.info)
	s.named = make(map[string]int)
	s.info.each("Commandstats", func(key, value string) {
		if c, ok := parseCalls(key, value); ok {
			s.named[c.cmd] = len(s.calls)
			s.calls = append(s.calls, c)
		}
	})
	return nil
}

// callsOf returns the calls of one command.
func (s *scrape) callsOf(cmd string) (calls, bool) {
	i, ok := s.named[cmd]
	if !ok {
		return calls{}, false
	}
	return s.calls[i], true
}

// reader is a part: what it asks for beyond INFO, and what it makes of the replies.
type reader struct {
	name     string
	off      bool // unless it is switched on
	families []*collector.Family
	commands func(*Collector, *scrape) []command // nil for INFO alone
	write    func(*Collector, *collector.Writer, *scrape) error
}

// without adapts a writer that needs nothing of the collector.
func without(write func(*collector.Writer, *scrape) error) func(*Collector, *collector.Writer, *scrape) error {
	return func(_ *Collector, w *collector.Writer, s *scrape) error { return write(w, s) }
}
