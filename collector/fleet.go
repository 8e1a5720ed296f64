package collector

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Member is a server that belongs to a target and was found at run time, such as a node of a cluster.
type Member struct {
	Address string            // unique in the target; its name is the target's, @ and the address
	Itself  bool              // it is the server that the target's own address names
	Labels  map[string]string // further labels for /sd
}

// Finder finds the servers of a target.
type Finder interface {
	// Find returns those that may be asked.
	Find(ctx context.Context) ([]Member, error)
	// Open returns a collector for one of them, and how to close it.
	Open(address string) (Collector, func(), error)
}

const (
	findEvery   = 30 * time.Second // at most, however often it is asked for
	findWithin  = 5 * time.Second
	findAtLeast = 5 * time.Minute // while members are scraped, even if nobody asks for the list
	mostMembers = 1000
)

// Fleet keeps a Unit for each server of a target that is scraped.
type Fleet struct {
	o     FleetOptions
	alive context.Context
	end   context.CancelFunc

	mu        sync.Mutex
	members   map[string]*fleetMember
	tried     time.Time
	failing   string         // why the last search failed
	searching chan struct{}  // closed when the search under way has ended; nil if there is none
	busy      sync.WaitGroup // the search, and members that are being closed
}

// FleetOptions are what a Fleet needs.
type FleetOptions struct {
	Target string // its name
	Kind   string
	Finder Finder
	Report *ReportFamilies // see Unit.ReportAs; may be nil
	Logger *slog.Logger
	Now    func() time.Time // time.Now if nil
}

type fleetMember struct {
	Member
	unit  *Unit // nil until it is scraped
	set   *Set
	close func()
}

// NewFleet returns a fleet that has not searched yet.
func NewFleet(o FleetOptions) *Fleet {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Logger = o.Logger.With("collector", o.Kind+"/"+o.Target)
	f := &Fleet{o: o, members: make(map[string]*fleetMember)}
	f.alive, f.end = context.WithCancel(context.Background())
	return f
}

// Announcements returns the members for /sd, by address.
func (f *Fleet) Announcements(ctx context.Context) (list []Announcement, itself string) {
	f.await(ctx, findEvery)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, address := range slices.Sorted(maps.Keys(f.members)) {
		m := f.members[address]
		name := f.o.Target + "@" + address
		if m.Itself {
			itself = name
		}
		list = append(list, Announcement{Name: name, Kind: f.o.Kind, Labels: maps.Clone(m.Labels)})
	}
	return list, itself
}

// Lookup returns the set that scrapes the member called name, nil if there is none. newSet makes it of the member's
// unit when it is scraped for the first time.
func (f *Fleet) Lookup(ctx context.Context, name string, newSet func(*Unit) (*Set, error)) *Set {
	address, ok := strings.CutPrefix(name, f.o.Target+"@")
	if !ok {
		return nil
	}
	set, known := f.lookup(address, newSet)
	if known {
		f.search(findAtLeast) // for later: what hangs in it must not hold up this scrape
		return set
	}
	f.await(ctx, findEvery)
	set, _ = f.lookup(address, newSet)
	return set
}

func (f *Fleet) lookup(address string, newSet func(*Unit) (*Set, error)) (set *Set, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.members[address]
	if !ok {
		return nil, false
	}
	if m.set == nil {
		if err := f.open(m, newSet); err != nil {
			f.o.Logger.Error("Member cannot be scraped", "address", address, "err", err)
		}
	}
	return m.set, true
}

func (f *Fleet) open(m *fleetMember, newSet func(*Unit) (*Set, error)) error {
	c, closer, err := f.o.Finder.Open(m.Address)
	if err != nil {
		return fmt.Errorf("open member: %w", err)
	}
	unit := NewUnit(f.o.Kind+"/"+f.o.Target+"@"+m.Address, c, f.o.Logger).ReportAs(f.o.Report)
	set, err := newSet(unit)
	if err != nil {
		closer()
		return fmt.Errorf("scrape member: %w", err)
	}
	m.unit, m.set, m.close = unit, set, closer
	return nil
}

// await finds the members anew if the last search is as old as that, or as long as ctx allows.
func (f *Fleet) await(ctx context.Context, old time.Duration) {
	if done := f.search(old); done != nil {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
}

// search begins to find the members anew if the last search is as old as that. It returns what is closed at the end of the
// search under way, nil if there is none.
func (f *Fleet) search(old time.Duration) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.searching == nil && f.alive.Err() == nil && (f.tried.IsZero() || f.o.Now().Sub(f.tried) >= old) {
		f.searching = make(chan struct{})
		f.busy.Go(f.find)
	}
	return f.searching
}

// find replaces the members by those that are found now. If it fails they stay as they are.
func (f *Fleet) find() {
	ctx, cancel := context.WithTimeout(f.alive, findWithin)
	defer cancel()
	found, err := f.o.Finder.Find(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried = f.o.Now()
	if f.alive.Err() == nil {
		f.note(err)
		if err == nil {
			f.take(found[:min(len(found), mostMembers)])
		}
	}
	close(f.searching)
	f.searching = nil
}

// note logs what began to fail, fails otherwise than before, or works again.
func (f *Fleet) note(err error) {
	switch {
	case err == nil && f.failing != "":
		f.failing = ""
		f.o.Logger.Info("Search for members works again")
	case err != nil && err.Error() != f.failing:
		f.failing = err.Error()
		f.o.Logger.Error("Search for members failed; those known stay", "err", err)
	}
}

func (f *Fleet) take(found []Member) {
	now := make(map[string]*fleetMember, len(found))
	for _, m := range found {
		kept, ok := f.members[m.Address]
		if !ok {
			kept = &fleetMember{}
		}
		kept.Member = m
		now[m.Address] = kept
	}
	for address, m := range f.members {
		if now[address] == nil && m.close != nil {
			f.busy.Go(m.close) // It waits for a scrape that is under way.
		}
	}
	f.members = now
}

// Close closes all members; none is found any more.
func (f *Fleet) Close() {
	f.mu.Lock()
	f.end()
	members := f.members
	f.members = nil
	f.mu.Unlock()
	for _, m := range members {
		if m.close != nil {
			m.close()
		}
	}
	f.busy.Wait()
}
