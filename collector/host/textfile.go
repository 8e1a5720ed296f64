package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/chronoops/chronoops/collector"
)

var (
	textfileMtime    = gauge("node_textfile_mtime_seconds", "When the file with metrics was changed, in Unix time; only files that could be read.", "file")
	textfileError    = gauge("node_textfile_scrape_error", "1 if a folder or file with metrics could not be read, or files contradict each other.")
	textfileFamilies = []*collector.Family{textfileMtime, textfileError}
)

// Textfile passes on the metrics that other programs write into files *.prom. A folder that does not answer, such as one
// of a dead NFS server, costs its own metrics only and is not asked again before its last call has come back.
type Textfile struct {
	log     *slog.Logger
	timeout time.Duration
	sources []*textSource
	logged  map[string]string // errors by what they are about
}

// NewTextfile returns a collector over o.
func NewTextfile(o Options) *Textfile {
	t := &Textfile{log: o.Logger, timeout: o.MountTimeout, logged: make(map[string]string)}
	for _, pattern := range o.TextfileDirs {
		if pattern != "" {
			t.sources = append(t.sources, &textSource{pattern: pattern, now: time.Now})
		}
	}
	return t
}

// Parts implements collector.Collector.
func (t *Textfile) Parts() []collector.Part {
	return []collector.Part{{Name: "textfile", Default: true, Families: textfileFamilies}}
}

// Close implements Source's collector; no file is kept open.
func (t *Textfile) Close() {}

// Collect implements collector.Collector. A file that cannot be read is told by node_textfile_scrape_error; the part
// itself fails if a folder does not answer.
func (t *Textfile) Collect(ctx context.Context, w *collector.Writer) error {
	w.Part("textfile", func() error {
		var stuck error
		m := merger{w: w, first: make(map[string]declared), failed: make(map[string]error)}
		for _, a := range t.ask(ctx) {
			if a.reading == nil {
				err := errors.New("no answer in time")
				m.failed[a.source.pattern] = err
				stuck = fmt.Errorf("read %s: %w", a.source.pattern, err)
				continue
			}
			m.add(a.reading)
		}
		if err := m.gather(); err != nil {
			m.failed["histograms and summaries"] = err
		}
		w.Add(textfileError, bool01(len(m.failed) > 0))
		t.report(m.failed)
		return stuck
	})
	return nil
}

type textAnswer struct {
	source  *textSource
	reading *textReading // nil if it did not come in time
}

// ask has all sources read at once.
func (t *Textfile) ask(ctx context.Context) []textAnswer {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	answers := make([]textAnswer, len(t.sources))
	readings := make([]*textReading, len(t.sources))
	for i, source := range t.sources {
		answers[i].source, readings[i] = source, source.begin()
	}
	for i, r := range readings {
		if r != nil && r.done.before(ctx) {
			answers[i].reading = r
		}
	}
	return answers
}

// report logs what began to fail or fails otherwise than before.
func (t *Textfile) report(failed map[string]error) {
	logged := make(map[string]string, len(failed))
	for what, err := range failed {
		logged[what] = err.Error()
		if t.logged[what] != logged[what] {
			t.log.Error("Metrics from a file are missing", "from", what, "err", err)
		}
	}
	for what := range t.logged {
		if failed[what] == nil {
			t.log.Info("Metrics from a file are complete again", "from", what)
		}
	}
	t.logged = logged
}

// merger records the files' metrics. Of families that contradict each other in HELP or TYPE the first wins.
type merger struct {
	w      *collector.Writer
	first  map[string]declared // by name
	whole  []*dto.MetricFamily
	failed map[string]error
}

func (m *merger) add(r *textReading) {
	maps.Copy(m.failed, r.failed)
	for _, file := range r.files {
		if file.err != nil {
			m.failed[file.path] = file.err
			continue
		}
		m.w.Add(textfileMtime, float64(file.mtime.Unix()), file.path)
		for _, f := range file.families {
			if err := m.agrees(f, file.path); err != nil {
				m.failed[file.path] = err
				continue
			}
			for _, s := range f.samples {
				m.w.Add(s.family, s.value, s.labels...)
			}
			if f.whole != nil {
				m.whole = append(m.whole, f.whole)
			}
		}
	}
}

// declared is how a family was declared first.
type declared struct {
	file string
	typ  dto.MetricType
	help *string
}

func (m *merger) agrees(f *textFamily, file string) error {
	first, ok := m.first[f.name]
	switch {
	case f.name == textfileMtime.Name || f.name == textfileError.Name:
		return fmt.Errorf("%s is this collector's own", f.name)
	case !ok:
		m.first[f.name] = declared{file, f.typ, f.help}
	case first.typ != f.typ:
		return fmt.Errorf("%s is a %s here and a %s in %s", f.name, f.typ, first.typ, first.file)
	case f.help != nil && first.help != nil && *f.help != *first.help:
		return fmt.Errorf("%s has another HELP in %s", f.name, first.file)
	case first.help == nil:
		first.help = f.help
		m.first[f.name] = first
	}
	return nil
}

func (m *merger) gather() error {
	if len(m.whole) == 0 {
		return nil
	}
	return m.w.Gather(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return m.whole, nil }))
}
