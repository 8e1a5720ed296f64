package collector

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fleetFinder is a finder with prepared answers.
type fleetFinder struct {
	mu      sync.Mutex
	members []Member
	err     error
	asked   int
	opened  map[string]int
	closed  map[string]int
}

func (f *fleetFinder) Find(context.Context) ([]Member, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.members, f.err
}

func (f *fleetFinder) Open(address string) (Collector, func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if address == "broken:1" {
		return nil, nil, errors.New("cannot be opened")
	}
	f.opened[address]++
	return &fake{parts: []string{"part"}}, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.closed[address]++
	}, nil
}

func (f *fleetFinder) set(err error, addresses ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.members = err, nil
	for i, a := range addresses {
		f.members = append(f.members, Member{Address: a, Itself: i == 0, Labels: map[string]string{"role": "x"}})
	}
}

func testFleet() (*Fleet, *fleetFinder, *bytes.Buffer) {
	f := &fleetFinder{opened: map[string]int{}, closed: map[string]int{}}
	var log bytes.Buffer
	return NewFleet(FleetOptions{Target: "cache", Kind: "redis", Finder: f, Logger: slog.New(slog.NewTextHandler(&log, nil))}), f, &log
}

func setOf(u *Unit) (*Set, error) {
	return NewSet([]*Unit{u}, SetOptions{Logger: slog.New(slog.DiscardHandler)})
}

func names(f *Fleet) string {
	list, itself := f.Announcements(context.Background())
	var all []string
	for _, a := range list {
		all = append(all, a.Name)
	}
	return strings.Join(all, " ") + " | " + itself
}

func TestFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, finder, log := testFleet()
		lookup := func(name string) *Set { return f.Lookup(t.Context(), name, setOf) }
		finder.set(nil, "b:1", "a:1")
		first := lookup("cache@a:1") // also before anybody has asked for the list
		if first == nil || lookup("cache@a:1") != first || lookup("cache@c:1") != nil || lookup("other@a:1") != nil || lookup("cache") != nil {
			t.Error("the wrong members are found")
		}
		if got := names(f); got != "cache@a:1 cache@b:1 | cache@b:1" {
			t.Errorf("announced %s", got)
		}
		if finder.asked != 1 {
			t.Errorf("searched %d times within a moment, want once", finder.asked)
		}

		// A failed search changes nothing and is logged once.
		time.Sleep(31 * time.Second)
		finder.set(errors.New("is down"))
		for range 3 {
			if got := names(f); got != "cache@a:1 cache@b:1 | cache@b:1" {
				t.Errorf("announced %s after a failure", got)
			}
			time.Sleep(31 * time.Second)
		}
		if n := strings.Count(log.String(), "is down"); n != 1 {
			t.Errorf("logged %d times: %s", n, log)
		}

		// Members that stay keep their unit; one that is gone is closed.
		finder.set(nil, "a:1", "d:1", "broken:1")
		if got := names(f); got != "cache@a:1 cache@broken:1 cache@d:1 | cache@a:1" {
			t.Errorf("announced %s", got)
		}
		if lookup("cache@a:1") != first || lookup("cache@b:1") != nil || lookup("cache@d:1") == nil || lookup("cache@broken:1") != nil {
			t.Error("the wrong members are found after a change")
		}
		time.Sleep(31 * time.Second)
		finder.set(nil, "d:1")
		names(f)
		synctest.Wait()
		if diff := cmp.Diff(map[string]int{"a:1": 1}, finder.closed); diff != "" {
			t.Errorf("closed (-want +got):\n%s", diff)
		}

		// Scrapes alone keep the members fresh, seldom.
		asked := finder.asked
		for range 10 {
			time.Sleep(time.Minute)
			lookup("cache@d:1")
			synctest.Wait()
		}
		if n := finder.asked - asked; n != 2 {
			t.Errorf("searched %d times in ten minutes of scrapes, want 2", n)
		}

		f.Close()
		f.Close()
		if finder.closed["d:1"] != 1 || lookup("cache@d:1") != nil || names(f) != " | " {
			t.Error("it is not closed")
		}
		if diff := cmp.Diff(map[string]int{"a:1": 1, "d:1": 1}, finder.opened); diff != "" {
			t.Errorf("opened (-want +got):\n%s", diff)
		}
	})
}

// A search that hangs holds up neither scrapes of members that are known nor anybody beyond their deadline.
func TestHungSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, finder, _ := testFleet()
		finder.set(nil, "a:1")
		names(f)
		hung := hungFinder{finder}
		f.o.Finder = hung
		time.Sleep(findAtLeast)
		took := func(what string, want time.Duration, fn func()) {
			t.Helper()
			start := time.Now()
			fn()
			if got := time.Since(start); got != want {
				t.Errorf("%s took %v, want %v", what, got, want)
			}
		}
		h := ProbeHandler{
			Exposer: newTestExposer(ExposerOptions{}),
			Lookup:  func(ctx context.Context, name string) *Set { return f.Lookup(ctx, name, setOf) },
		}
		probe := func(name string, code int) func() {
			return func() {
				t.Helper()
				if w := get(h, "/probe?target="+name, timeoutHeader, "2"); w.Code != code {
					t.Errorf("%s: %d %s", name, w.Code, w.Body)
				}
			}
		}
		took("the probe of a member", 0, probe("cache@a:1", 200))
		took("the probe of an unknown one", 2*time.Second, probe("cache@b:1", 404))
		took("another probe of the member", 0, probe("cache@a:1", 200))
		took("the list", findWithin-2*time.Second, func() {
			if got := names(f); got != "cache@a:1 | cache@a:1" {
				t.Errorf("announced %s", got)
			}
		})
		took("the probe of an unknown one just after", 0, probe("cache@b:1", 404))
		time.Sleep(findEvery)
		go names(f)
		synctest.Wait()
		took("closing", 0, f.Close)
	})
}

// hungFinder finds nothing before it is told to end.
type hungFinder struct{ *fleetFinder }

func (hungFinder) Find(ctx context.Context) ([]Member, error) { <-ctx.Done(); return nil, ctx.Err() }

// TestFleetSearchesOnce has many scrapes that come while the first search is slow.
func TestFleetSearchesOnce(t *testing.T) {
	f, finder, _ := testFleet()
	finder.set(nil, "a:1")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if f.Lookup(t.Context(), "cache@a:1", setOf) == nil {
				t.Error("not found")
			}
		})
	}
	wg.Wait()
	if finder.asked != 1 || finder.opened["a:1"] != 1 {
		t.Errorf("searched %d times, opened %d times", finder.asked, finder.opened["a:1"])
	}
}
