package collector

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DefaultTimeout is how long a scrape may take if the client names no timeout.
const DefaultTimeout = 10 * time.Second

// The families that tell about the scrape itself.
var (
	ScrapeDuration = &Family{
		Name: "chronoops_scrape_collector_duration_seconds", Type: Gauge, Labels: []string{"collector"},
		Help: "Time the collector took in this scrape.",
	}
	ScrapeSuccess = &Family{
		Name: "chronoops_scrape_collector_success", Type: Gauge, Labels: []string{"collector"},
		Help: "1 if the collector delivered everything it should, 0 if it failed or did not return in time.",
	}
	ScrapeDuplicates = &Family{
		Name: "chronoops_scrape_duplicate_samples_total", Type: Counter,
		Help: "Samples dropped because their series was in the same scrape already.",
	}
)

// Set is the units that one endpoint scrapes together. It is made anew when the configuration changes; its units stay.
type Set struct {
	units   []*Unit
	own     *Unit // the process's own metrics, nil for none
	log     *slog.Logger
	known   []string
	enabled []string

	mu      sync.Mutex
	w       *Writer         // for the families above
	dropped float64         // duplicates so far
	warned  map[string]bool // families whose duplicates were logged
}

// SetOptions are what a Set needs besides its units.
type SetOptions struct {
	Selection Selection
	Own       prometheus.Gatherer // the process's own metrics, part of every scrape; may be nil
	Logger    *slog.Logger
}

// NewSet returns a set of units whose part names are all different.
func NewSet(units []*Unit, o SetOptions) (*Set, error) {
	if err := checkParts(units); err != nil {
		return nil, err
	}
	s := &Set{units: units, log: o.Logger, w: newWriter(nil), warned: make(map[string]bool)}
	for _, u := range units {
		for _, p := range u.parts {
			s.known = append(s.known, p.Name)
			if o.Selection.Enabled(p) {
				s.enabled = append(s.enabled, p.Name)
			}
		}
	}
	if o.Own != nil {
		s.own = NewUnit("own", ownMetrics{o.Own}, o.Logger)
	}
	return s, nil
}

// Enabled returns the names of the parts that are on.
func (s *Set) Enabled() []string { return slices.Clone(s.enabled) }

// ownMetrics passes on the process's own metrics, isolated like any collector.
type ownMetrics struct{ g prometheus.Gatherer }

func (ownMetrics) Parts() []Part                                { return nil }
func (o ownMetrics) Collect(_ context.Context, w *Writer) error { return w.Gather(o.g) }

// answer is what became of one unit in one scrape.
type answer struct {
	unit *Unit
	mask string
	res  *result
	err  error
	took time.Duration
}

// Scrape collects all units at once and returns by the context's deadline, or after DefaultTimeout, with what is there
// by then. The error is always about q.
func (s *Set) Scrape(ctx context.Context, q Query) (*Snapshot, error) {
	selected, err := q.apply(s.known, s.enabled)
	if err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
	}
	var answers []*answer
	for _, u := range s.units {
		if mask, any := u.mask(selected); any {
			answers = append(answers, &answer{unit: u, mask: mask})
		}
	}
	if s.own != nil {
		answers = append(answers, &answer{unit: s.own})
	}
	var wg sync.WaitGroup
	for _, a := range answers {
		wg.Go(func() {
			start := time.Now()
			a.res, a.err = a.unit.collect(ctx, a.mask)
			a.took = time.Since(start)
		})
	}
	wg.Wait()
	return s.snapshot(answers), nil
}

// mask has one byte for each part of u, '1' if it is selected.
func (u *Unit) mask(selected []string) (mask string, any bool) {
	b := make([]byte, len(u.parts))
	for i, p := range u.parts {
		b[i] = '0'
		if slices.Contains(selected, p.Name) {
			b[i], any = '1', true
		}
	}
	return string(b), any
}

func (s *Set) snapshot(answers []*answer) *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	results := make([]*result, 0, len(answers)+1)
	s.w.begin(nil)
	for _, a := range answers {
		if a.res != nil {
			results = append(results, a.res)
		} else if errors.Is(a.err, errBusy) {
			a.unit.log.Debug("Collector is still running from an earlier scrape")
		}
		for i, p := range a.unit.parts {
			if a.mask[i] == '1' {
				took, ok := a.outcome(i)
				s.w.Add(ScrapeDuration, took.Seconds(), p.Name)
				s.w.Add(ScrapeSuccess, ok, p.Name)
			}
		}
	}
	s.w.Add(ScrapeDuplicates, s.dropped) // up to the scrape before
	snap := newSnapshot(append(results, s.w.finish())...)
	for name, n := range snap.dups {
		s.dropped += float64(n)
		if !s.warned[name] && len(s.warned) < 1000 {
			s.warned[name] = true
			s.log.Warn("Dropped a series that was in the same scrape already; logged once for each family", "family", name)
		}
	}
	return snap
}

// outcome returns how the unit's part i did; a unit without a result failed as a whole.
func (a *answer) outcome(i int) (took time.Duration, success float64) {
	if a.res == nil {
		return a.took, 0
	}
	r := a.res.reports[i]
	if r.ran && r.err == nil {
		success = 1
	}
	return r.duration, success
}
