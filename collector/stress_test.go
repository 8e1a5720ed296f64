package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// unruly is a collector that does at random what collectors do wrong. All samples of a part have the number of the
// collection as their value, and one tells how many there are.
type unruly struct {
	parts         []string
	family, count *Family
	random        *rand.Rand
	n             float64
	held          map[string]*Series
	active        atomic.Int32
}

func newUnruly(seed uint64, parts ...string) *unruly {
	return &unruly{
		parts: parts, random: rand.New(rand.NewPCG(seed, 0)), held: make(map[string]*Series),
		family: &Family{Name: "unruly", Help: "U.", Type: Gauge, Legacy: "former", Labels: []string{"part", "id"}},
		count:  &Family{Name: "unruly_count", Help: "C.", Type: Gauge, Labels: []string{"part"}},
	}
}

func (u *unruly) Parts() (list []Part) {
	for _, p := range u.parts {
		list = append(list, Part{Name: p, Default: true})
	}
	return list
}

func (u *unruly) Collect(ctx context.Context, w *Writer) error {
	if u.active.Add(1) > 1 {
		panic("run twice at a time")
	}
	defer u.active.Add(-1)
	u.n++
	switch u.random.IntN(20) {
	case 0:
		time.Sleep(time.Duration(u.random.IntN(20)) * time.Millisecond) // whatever the deadline is
	case 1:
		<-ctx.Done()
	case 2:
		return errors.New("no connection")
	case 3:
		panic("at once")
	}
	u.random.Shuffle(len(u.parts), func(i, j int) { u.parts[i], u.parts[j] = u.parts[j], u.parts[i] })
	for _, p := range u.parts {
		w.Part(p, func() error { return u.record(w, p) })
	}
	return nil
}

func (u *unruly) record(w *Writer, part string) error {
	ids := u.random.Perm(40)[:u.random.IntN(40)]
	for i, id := range ids {
		name := strconv.Itoa(id)
		switch id % 4 {
		case 0:
			w.Add(u.family, u.n, part, name)
		case 1:
			w.Add(u.family, u.n, part, name+"\xff"+string([]byte{0x80 + byte(u.random.IntN(60))}))
		case 2:
			if u.held[part+name] == nil {
				u.held[part+name] = w.Series(u.family, part, name)
			}
			u.held[part+name].Set(u.n)
		default:
			w.Series(u.family, part, name).Set(u.n)
		}
		if i == 20 && u.random.IntN(10) == 0 {
			panic("in the middle")
		}
	}
	w.Add(u.count, float64(len(ids)), part)
	if u.random.IntN(10) == 0 {
		return errors.New("not all of it")
	}
	return nil
}

// checkWhole tells of parts that succeeded with anything but the whole of one collection.
func checkWhole(text string) error {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	mfs, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return err
	}
	value := func(name string) map[string]float64 {
		values := make(map[string]float64)
		for _, m := range mfs[name].GetMetric() {
			values[m.Label[0].GetValue()] = m.Gauge.GetValue()
		}
		return values
	}
	type found struct{ samples, former, of float64 }
	parts := make(map[string]found)
	for _, name := range []string{"unruly", "former"} {
		for _, m := range mfs[name].GetMetric() {
			part := m.Label[1].GetValue()
			f := parts[part]
			if f.of != 0 && f.of != m.Gauge.GetValue() {
				return fmt.Errorf("part %s has samples of collections %v and %v", part, f.of, m.Gauge.GetValue())
			}
			f.of = m.Gauge.GetValue()
			if name == "former" {
				f.former++
			} else {
				f.samples++
			}
			parts[part] = f
		}
	}
	counts := value("unruly_count")
	for part, success := range value(ScrapeSuccess.Name) {
		if f := parts[part]; success == 1 && (counts[part] != f.samples || f.former != f.samples) {
			return fmt.Errorf("part %s succeeded with %v and %v of %v samples", part, f.samples, f.former, counts[part])
		}
	}
	return nil
}

// TestStress scrapes sets that share units at random, by clients that wait, give up and go away, and makes the sets anew
// meanwhile, as a reload does.
func TestStress(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	a, b := NewUnit("a", newUnruly(1, "a1", "a2", "a3"), log), NewUnit("b", newUnruly(2, "b1", "b2"), log)
	reg := prometheus.NewRegistry()
	own := []*Unit{ownUnit(reg)}
	exposer := newTestExposer(ExposerOptions{MaxRequests: DefaultMaxRequests, Registerer: reg})
	newSets := func() [2]*Set {
		metrics, err := NewSet([]*Unit{a, b}, SetOptions{Own: own, LegacyNames: true, Logger: log})
		if err != nil {
			t.Error(err)
		}
		probe, err := NewSet([]*Unit{a}, SetOptions{LegacyNames: true, Logger: log})
		if err != nil {
			t.Error(err)
		}
		return [2]*Set{metrics, probe}
	}
	var current atomic.Pointer[[2]*Set]
	reload := func() { sets := newSets(); current.Store(&sets) }
	reload()
	var answered atomic.Int32
	var wg sync.WaitGroup
	for client := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 7))
			for i := range 150 {
				if client == 0 && i%10 == 0 {
					reload()
				}
				which := random.IntN(2)
				queries := []string{"", "", "?collect[]=a1", "?collect[]=a1&collect[]=a2", "?exclude[]=a3"}
				r := httptest.NewRequest(http.MethodGet, "/metrics"+queries[random.IntN(len(queries))], nil)
				r.Header.Set(timeoutHeader, fmt.Sprint(random.Float64()/50))
				r.Header.Set("Accept-Encoding", []string{"identity", "gzip", "zstd"}[random.IntN(3)])
				ctx, cancel := context.WithCancel(t.Context())
				if random.IntN(10) == 0 {
					time.AfterFunc(time.Duration(random.IntN(5))*time.Millisecond, cancel)
				}
				w := httptest.NewRecorder()
				exposer.Serve(w, r.WithContext(ctx), current.Load()[which])
				cancel()
				if w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
					return
				}
				if err := checkWhole(string(unpack(t, w.Header(), w.Body))); err != nil {
					t.Error(err)
					return
				}
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	t.Logf("%d answers", answered.Load())
	// Whatever happened, both still work.
	for range 1000 {
		w := get(exposer.Metrics(func() *Set { return current.Load()[0] }), "/metrics", timeoutHeader, "0.1")
		if strings.Contains(w.Body.String(), ScrapeSuccess.Name+`{collector="a1"} 1`) &&
			strings.Contains(w.Body.String(), ScrapeSuccess.Name+`{collector="b1"} 1`) {
			return
		}
	}
	t.Error("a unit does not work any more")
}
