package postgres_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
)

// TestManyScrapes holds one round trip per scrape, one session for all, and memory and goroutines that do not grow.
func TestManyScrapes(t *testing.T) {
	p := start(t, stack.PostgresOptions{Statements: true})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE TABLE orders (n int PRIMARY KEY)")
	proxy := collectortest.NewProxy(t, hostPort(p))
	cfg := everything(strings.Replace(p.URL, hostPort(p), proxy.Addr, 1))
	s := scrape(t, collect(t, postgres.Options{Config: cfg}), "stat_statements", "stat_user_indexes", "process_idle")
	for range 100 {
		wantUp(t, s.Scrape(enough))
	}
	cold, goroutines, heap := proxy.Traffic(), runtime.NumGoroutine(), heapInUse()
	n := collectortest.ManyScrapes()
	for i := range n {
		if i%100 == 0 {
			wantUp(t, s.Scrape(enough))
		} else if err := s.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := proxy.Traffic()
	if got.Trips-cold.Trips != n || got.Connections != 1 {
		t.Errorf("%d scrapes took %d round trips and %d connections", n, got.Trips-cold.Trips, got.Connections)
	}
	if now := sessions(t, admin); now != 1 {
		t.Errorf("%d sessions of ours, want 1", now)
	}
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("%d goroutines, %d before", now, goroutines)
	}
	if now := heapInUse(); now > heap+1<<20 {
		t.Errorf("%d bytes in use, %d before", now, heap)
	}
	if log := s.Log(); len(log) > 0 {
		t.Errorf("logged %q", log)
	}
}

func heapInUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestFiftyRestarts holds one session and no growth across restarts of the server.
func TestFiftyRestarts(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	s := scrape(t, collect(t, postgres.Options{Config: target(p.URL)}), "bloat")
	wantUp(t, s.Scrape(enough))
	goroutines := runtime.NumGoroutine()
	for range 50 {
		if err := p.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
		until(t, s, "the server", func(o collectortest.Outcome) bool { return o.Sample("pg_up") == "1" })
	}
	admin := connect(t, p.URL)
	for deadline := time.Now().Add(enough); sessions(t, admin) > 1 || runtime.NumGoroutine() > goroutines+2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions of ours, %d goroutines, %d before", sessions(t, admin), runtime.NumGoroutine(), goroutines)
		}
	}
}
