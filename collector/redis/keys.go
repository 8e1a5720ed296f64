package redis

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

func passGauge(name, help string) *collector.Family {
	return &collector.Family{Name: "chronoops_redis_keys_" + name, Type: collector.Gauge, Labels: []string{"pass"}, Help: help}
}

var (
	keysChosen = &collector.Family{
		Name: "chronoops_redis_keys_chosen", Type: collector.Gauge,
		Help: "1 if this server is asked about keys, 0 if another of its shard is, or none.",
	}
	keysTrips = &collector.Family{
		Name: "chronoops_redis_keys_round_trips_total", Type: collector.Counter,
		Help: "Round trips to the server for looking at keys.",
	}
	keysAge = passGauge("age_seconds",
		"Seconds since the walk began that brought the present values of keys: of those named in the configuration, or scanned for.")
	keysTook    = passGauge("pass_duration_seconds", "Time from the begin to the end of that walk, which may span several scrapes.")
	keysBusy    = passGauge("pass_busy_seconds", "Time that the walk spent asking the server.")
	keysLeftOut = passGauge("left_out", "Keys and groups that matched and are not shown one by one: see max_keys in key_checks.")
)

func keysFamilies() []*collector.Family {
	return append([]*collector.Family{keysChosen, keysTrips, keysAge, keysTook, keysBusy, keysLeftOut}, keyFamilies()...)
}

// keyChecks is the state of looking at keys, which goes on from scrape to scrape.
type keyChecks struct {
	plan  *keyPlan
	named pass // keys whose name is in the configuration
	found pass // keys that are scanned for
	trips float64
	runID string
}

// pass is one walk over keys at a time, and what the last complete one brought.
type pass struct {
	name  string
	queue []step // empty between walks
	begun time.Time
	busy  time.Duration
	now   *results // of the walk that is under way
	err   error    // of the last walk; the walk ended there, or something is missing

	shown *results // nil before the first
	since time.Time
	took  time.Duration
	spent time.Duration
}

// results are the samples that a walk brought.
type results struct {
	samples map[string][]sample // by part
	seen    map[keyName]purpose // keys found by patterns
	counts  map[keyName]float64 // by pattern
	groups  map[int]*groupTally // by database
	leftOut float64
	problem error // why something is missing: the first of its kind
}

type sample struct {
	family *collector.Family
	value  float64
	labels []string
}

func newResults() *results {
	return &results{
		samples: make(map[string][]sample), seen: make(map[keyName]purpose),
		counts: make(map[keyName]float64), groups: make(map[int]*groupTally),
	}
}

func (r *results) add(part string, family *collector.Family, value float64, labels ...string) {
	r.samples[part] = append(r.samples[part], sample{family, value, labels})
}

// lookAtKeys goes on with the walks, as far as the budget of a scrape allows, and records what the last complete ones
// brought. It is called after everything else, so that it delays nothing.
func (c *Collector) lookAtKeys(ctx context.Context, w *collector.Writer, s *scrape) {
	k := &c.keys
	if !k.selected(w) {
		return
	}
	chosen := !k.plan.empty() && c.asksForKeys(s)
	if !chosen || k.runID != s.id.runID {
		k.runID = strings.Clone(s.id.runID)
		k.named, k.found = pass{name: "named"}, pass{name: "scanned"} // A walk cannot go on at another server.
	}
	if chosen {
		c.walk(ctx, s)
	}
	w.Part(partKeys, func() error {
		if !k.plan.empty() {
			k.report(w, chosen, s.now)
		}
		return k.write(w, partKeys)
	})
	w.Part(partStreams, func() error { return k.write(w, partStreams) })
	w.Part(partGroups, func() error {
		took := 0.0
		if len(k.plan.groups) > 0 {
			took = float64(k.found.spent.Milliseconds())
		}
		w.Add(groupsTook, took)
		return k.write(w, partGroups)
	})
}

func (k *keyChecks) selected(w *collector.Writer) bool {
	return w.Selected(partKeys) || w.Selected(partStreams) || w.Selected(partGroups)
}

func (k *keyChecks) report(w *collector.Writer, chosen bool, now time.Time) {
	if !chosen {
		w.Add(keysChosen, 0)
		return
	}
	w.Add(keysChosen, 1)
	w.Add(keysTrips, k.trips)
	for _, p := range []*pass{&k.named, &k.found} {
		if p.shown == nil {
			continue
		}
		w.Add(keysAge, max(0, now.Sub(p.since).Seconds()), p.name)
		w.Add(keysTook, p.took.Seconds(), p.name)
		w.Add(keysBusy, p.spent.Seconds(), p.name)
		w.Add(keysLeftOut, p.shown.leftOut, p.name)
	}
}

func (k *keyChecks) write(w *collector.Writer, part string) error {
	for _, p := range []*pass{&k.named, &k.found} {
		if p.shown == nil {
			continue
		}
		for _, s := range p.shown.samples[part] {
			w.Add(s.family, s.value, s.labels...)
		}
	}
	return errors.Join(k.named.err, k.found.err)
}

// asksForKeys reports whether this server is the one to ask.
func (c *Collector) asksForKeys(s *scrape) bool {
	switch {
	case s.id.mode == "sentinel":
		return false
	case c.place != nil:
		return c.place.asksForKeys()
	case c.cfg.Grouped():
		return false // its nodes are asked, each as a target of its own
	}
	switch c.keys.plan.budget.From {
	case KeysFromReplica:
		return s.id.role == "slave"
	case KeysFromPrimary:
		return s.id.role != "slave"
	default:
		return true
	}
}
