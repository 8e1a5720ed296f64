package postgres_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
)

// short is the timeout of scrapes that are meant to meet it.
const short = 600 * time.Millisecond

func TestServerThatNeverAnswers(t *testing.T) {
	var accepted atomic.Int32
	addr := collectortest.Listen(t, func(c net.Conn) {
		accepted.Add(1)
		buf := make([]byte, 1024)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	})
	now := time.Unix(1_700_000_000, 0)
	c := collect(t, postgres.Options{
		Config: target("postgres://u:p@" + addr + "/d?sslmode=disable"), Now: func() time.Time { return now },
	})
	s := scrape(t, c)
	for range 2 {
		o := s.Scrape(short)
		wantDown(t, o, "timeout")
		if o.Took > 2*short {
			t.Errorf("took %v, want at most %v", o.Took, short)
		}
	}
	before := accepted.Load()
	wantDown(t, s.Scrape(short), "timeout")
	if accepted.Load() != before {
		t.Error("connected again at once although the last two tries were not answered")
	}
	now = now.Add(5 * time.Second)
	wantDown(t, s.Scrape(short), "timeout")
	if accepted.Load() == before {
		t.Error("no further try to connect after a pause")
	}
	if log := s.Log(); len(log) != 1 {
		t.Errorf("logged %q, want one line", log)
	}
}

func TestServerThatResets(t *testing.T) {
	s := scraper(t, "postgres://u:p@"+collectortest.Resetting(t)+"/d?sslmode=disable")
	for range 3 {
		wantDown(t, s.Scrape(enough), "reset")
	}
	if log := s.Log(); len(log) != 1 {
		t.Errorf("logged %q, want one line", log)
	}
}

func TestNameThatDoesNotResolve(t *testing.T) {
	wantDown(t, scraper(t, "postgres://u@nowhere.invalid/d").Scrape(enough), "dns")
}

func TestServerWithoutTLS(t *testing.T) {
	p := server(t)
	wantDown(t, scraper(t, with(t, p.URL, "sslmode", "require")).Scrape(enough), "tls")
}

// TestWrongPassword also looks for the password wherever something could leak.
func TestWrongPassword(t *testing.T) {
	const canary = "tr0ub4dor-c4n4ry"
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE ROLE guarded LOGIN PASSWORD 'right'")
	hba := filepath.Join(p.Dir, "pg_hba.conf")
	rules, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hba, append([]byte("host all guarded all scram-sha-256\nhost all outcast all reject\n"), rules...), 0o644); err != nil {
		t.Fatal(err)
	}
	exec(t, admin, "SELECT pg_reload_conf()")
	dsn := func(user, password string) string {
		return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/postgres?sslmode=prefer", user, password, p.Port)
	}
	for _, user := range []string{"guarded", "outcast", "nobody_knows"} {
		s := scraper(t, dsn(user, canary))
		var o collectortest.Outcome
		for deadline := time.Now().Add(enough); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if o = s.Scrape(enough); o.Sample("pg_up") == "0" { // the reload has been carried out
				break
			}
		}
		if user != "nobody_knows" {
			wantDown(t, o, "wrong_credentials")
		}
		if all := o.Text + strings.Join(s.Log(), "\n"); strings.Contains(all, canary) {
			t.Errorf("the password got out:\n%s", all)
		}
	}
	s := scraper(t, dsn("guarded", "right"))
	wantUp(t, s.Scrape(enough), needMonitor()...)

	// Configuration errors repeat what the operator wrote, but not this.
	for _, bad := range []string{
		"postgres://u:" + canary + "@host:port/d", "host=h password=" + canary + " port=x", "postgres://u:" + canary + "%zz@h/d",
		"postgres://u:" + canary + "@h/d?sslmode=nonsense", canary,
	} {
		_, err := postgres.New(postgres.Options{Config: target(bad)})
		if err == nil {
			t.Errorf("%s was accepted", bad)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("the password is in %q", err)
		}
	}
}

func TestTooManyConnections(t *testing.T) {
	p := start(t, stack.PostgresOptions{Settings: map[string]string{
		"max_connections": "8", "superuser_reserved_connections": "0", "max_wal_senders": "0",
	}})
	kept := scraper(t, p.URL)
	wantUp(t, kept.Scrape(enough))
	for {
		conn, err := pgx.Connect(context.Background(), p.URL)
		if err != nil {
			break
		}
		defer conn.Close(context.Background())
	}
	wantDown(t, scraper(t, p.URL).Scrape(enough), "too_many_connections")
	// That is what the kept session is for.
	o := kept.Scrape(enough)
	wantUp(t, o)
	if got := o.Sample("pg_settings_max_connections"); got != "8" {
		t.Errorf("max_connections = %q", got)
	}
}

func TestServerGoesAndComesBack(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	s := scraper(t, p.URL)
	wantUp(t, s.Scrape(enough))

	// A session that was ended between two scrapes is no reason to call the server down.
	admin := connect(t, p.URL)
	exec(t, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chronoops'")
	wantUp(t, s.Scrape(enough))
	_ = admin.Close(t.Context())

	stop(t, p)
	for range 3 {
		wantDown(t, s.Scrape(enough), "refused")
	}
	if log := s.Log(); len(log) != 1 {
		t.Errorf("logged %q, want one line", log)
	}
	again := start(t, stack.PostgresOptions{Port: p.Port})
	wantUp(t, s.Scrape(enough))
	if n := sessions(t, connect(t, again.URL)); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

// TestServerFreezes stops the traffic on a session that was in use, as a dead network does.
func TestServerFreezes(t *testing.T) {
	p := server(t)
	admin := connect(t, p.URL)
	before := sessions(t, admin)
	proxy := collectortest.NewProxy(t, hostPort(p))
	s := scraper(t, strings.Replace(p.URL, hostPort(p), proxy.Addr, 1))
	wantUp(t, s.Scrape(enough))
	proxy.Freeze(true)
	for range 4 {
		o := s.Scrape(short)
		wantDown(t, o, "timeout")
		if o.Took > 2*short {
			t.Errorf("took %v, want at most %v", o.Took, short)
		}
		if n := sessions(t, admin); n > before+2 {
			t.Errorf("%d sessions of ours, want at most %d", n, before+2)
		}
	}
	proxy.Freeze(false)
	for deadline := time.Now().Add(enough); s.Scrape(enough).Sample("pg_up") != "1"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("still down after the network came back")
		}
	}
	for deadline := time.Now().Add(enough); sessions(t, admin) != before+1; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions of ours, want %d", sessions(t, admin), before+1)
		}
	}
}

// TestLocks scrapes while an ALTER TABLE waits, and while a catalog that our own queries read is locked.
func TestLocks(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE TABLE busy (n int)")
	s := scraper(t, p.URL)
	wantUp(t, s.Scrape(enough))

	holder := connect(t, p.URL)
	exec(t, holder, "BEGIN; LOCK TABLE busy IN ACCESS SHARE MODE")
	waiter := connect(t, p.URL)
	altered := make(chan error, 1)
	go func() {
		_, err := waiter.Exec(context.Background(), "ALTER TABLE busy ADD COLUMN m int")
		altered <- err
	}()
	for number(t, admin, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	for range 10 {
		wantUp(t, s.Scrape(enough))
	}
	exec(t, holder, "COMMIT")
	if err := <-altered; err != nil {
		t.Fatal(err)
	}

	exec(t, holder, "BEGIN; LOCK TABLE pg_database IN ACCESS EXCLUSIVE MODE")
	for range 3 {
		o := s.Scrape(enough)
		// Who reads the locked catalog gives up after lock_timeout; the others answer.
		wantUp(t, o, "stat_activity", "stat_database", "locks", "blocking", "database", "stat_database_conflicts", "replication_slots", "stat_replication",
			"stat_progress_vacuum", "progress")
		if n := sessions(t, holder); n > 2 {
			t.Errorf("%d sessions of ours, want at most 2", n)
		}
	}
	exec(t, holder, "COMMIT")
	wantUp(t, s.Scrape(enough))
	for _, catalog := range []string{"pg_class", "pg_authid", "pg_tablespace"} {
		exec(t, holder, "BEGIN; LOCK TABLE "+catalog+" IN ACCESS EXCLUSIVE MODE")
		for range 2 {
			const timeout = 5 * time.Second
			o := s.Scrape(timeout)
			if o.Sample("pg_up") != "1" || !o.Success["stat_bgwriter"] || o.Took > timeout*3/4 {
				t.Errorf("%s is locked: pg_up %s, took %v, success %v", catalog, o.Sample("pg_up"), o.Took, o.Success)
			}
		}
		exec(t, holder, "COMMIT")
	}
	wantUp(t, s.Scrape(enough))
	if n := sessions(t, admin); n != 1 {
		t.Errorf("%d sessions of ours, want 1", n)
	}
}
