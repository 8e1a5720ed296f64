package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultTimeout is how long a scrape may take if the client names no timeout.
const DefaultTimeout = 10 * time.Second

// Set is the units that one endpoint scrapes together. It is made anew when the configuration changes; its units stay.
type Set struct {
	units   []*Unit
	all     []answer // those of a scrape that asks for everything, without results
	own     []*Unit  // the process's own metrics
	legacy  bool
	log     *slog.Logger
	known   []string
	enabled []string

	mu      sync.Mutex
	w       *Writer         // for the families that tell about the scrape
	dropped float64         // duplicates so far
	warned  map[string]bool // families whose duplicates were logged
}

// SetOptions are what a Set needs besides its units.
type SetOptions struct {
	Selection Selection
	// Own are the process's own metrics. They are part of every scrape, whatever is selected, and nothing is reported
	// about them.
	Own []*Unit
	// LegacyNames exposes families that have a legacy name under both names.
	LegacyNames bool
	Logger      *slog.Logger
}

// NewSet returns a set of units whose part names are all different.
func NewSet(units []*Unit, o SetOptions) (*Set, error) {
	if err := checkParts(units); err != nil {
		return nil, err
	}
	s := &Set{units: units, own: slices.Clone(o.Own), legacy: o.LegacyNames, log: o.Logger, w: newWriter(nil), warned: make(map[string]bool)}
	for _, u := range units {
		for _, p := range u.parts {
			s.known = append(s.known, p.Name)
			if o.Selection.Enabled(p) {
				s.enabled = append(s.enabled, p.Name)
			}
		}
	}
	s.all = s.answers(s.enabled)
	return s, nil
}

// checkParts refuses part names that could not be selected or reported apart.
func checkParts(units []*Unit) error {
	owner := make(map[string]string)
	for _, u := range units {
		for _, p := range u.parts {
			if p.Name == "" {
				return fmt.Errorf("collector %s has a part without a name", u.name)
			}
			if other, ok := owner[p.Name]; ok {
				return fmt.Errorf("collectors %s and %s both have the part %q: serve one of them by /probe only", other, u.name, p.Name)
			}
			owner[p.Name] = u.name
		}
	}
	return nil
}

// Enabled returns the names of the parts that are on.
func (s *Set) Enabled() []string { return slices.Clone(s.enabled) }

// answer is what became of one unit in one scrape.
type answer struct {
	unit *Unit
	own  bool // of the process itself
	mask string
	run  *run // started by the scrape; nil if another one's is running
	res  *result
	err  error
	took time.Duration
}

// answers lists the units that have a selected part, and the process's own metrics.
func (s *Set) answers(selected []string) (list []answer) {
	for _, u := range s.units {
		if mask, any := u.mask(selected); any {
			list = append(list, answer{unit: u, mask: mask})
		}
	}
	for _, u := range s.own {
		list = append(list, answer{unit: u, own: true, mask: strings.Repeat("1", len(u.parts))})
	}
	return list
}

// Scrape collects all units at once and returns by the context's deadline, or after DefaultTimeout, with what is there
// by then. The error is always about q.
func (s *Set) Scrape(ctx context.Context, q Query) (*Snapshot, error) {
	answers := slices.Clone(s.all)
	if !q.empty() {
		selected, err := q.apply(s.known, s.enabled)
		if err != nil {
			return nil, err
		}
		answers = s.answers(selected)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range answers {
		a := &answers[i]
		if a.run = a.unit.start(ctx, a.mask); a.run == nil {
			// What comes of another scrape's collection may have to be followed by one of its own.
			wg.Go(func() {
				a.res, a.err = a.unit.collect(ctx, a.mask)
				a.took = time.Since(begin)
			})
		}
	}
	for i := range answers {
		if a := &answers[i]; a.run != nil {
			a.res, a.err = a.unit.wait(ctx, a.run)
			a.took = time.Since(begin)
		}
	}
	wg.Wait()
	return s.snapshot(answers), nil
}

func (s *Set) snapshot(answers []answer) *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	results := make([]*result, 0, len(answers)+1)
	ownFailed := false
	s.w.begin("")
	for _, a := range answers {
		if a.res != nil {
			results = append(results, a.res)
		} else if errors.Is(a.err, errBusy) {
			a.unit.log.Debug("Collector is still running from an earlier scrape")
		}
		if a.own {
			ownFailed = ownFailed || a.res.failed()
			continue
		}
		for i, p := range a.unit.parts {
			if selected(a.mask, i) {
				a.report(i).record(s.w, a.unit, p.Name)
			}
		}
	}
	s.w.Add(ScrapeDuplicates, s.dropped) // up to the scrape before
	snap := newSnapshot(s.legacy, append(results, s.w.finish())...)
	snap.ownFailed = ownFailed
	for name, n := range snap.dups {
		s.dropped += float64(n)
		if !s.warned[name] && len(s.warned) < 1000 {
			s.warned[name] = true
			s.log.Warn("Dropped a series that was in the same scrape already; logged once for each family", "family", name)
		}
	}
	return snap
}

// report returns how the unit's part i did; a unit without a result failed as a whole.
func (a answer) report(i int) report {
	if a.res == nil {
		return report{err: a.err, duration: a.took}
	}
	return a.res.reports[i]
}
