package postgres_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/common/config"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// A server that the tests share; those that hurt their server start one of their own.
var (
	shared     *stack.Postgres
	errShared  error
	sharedOnce sync.Once
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func server(t testing.TB) *stack.Postgres {
	t.Helper()
	sharedOnce.Do(func() { shared, errShared = stack.StartPostgres(context.Background(), stack.PostgresOptions{}) })
	if errShared != nil {
		t.Fatal(errShared)
	}
	return shared
}

// start runs a server for one test.
func start(t testing.TB, o stack.PostgresOptions) *stack.Postgres {
	t.Helper()
	p, err := stack.StartPostgres(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, p) })
	return p
}

func stop(t testing.TB, p *stack.Postgres) {
	t.Helper()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// connect opens a session with further connection parameters, such as "application_name".
func connect(t testing.TB, dsn string, params ...string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), with(t, dsn, params...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func with(t testing.TB, dsn string, params ...string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for i := 0; i+1 < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func exec(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func number(t testing.TB, conn *pgx.Conn, sql string, args ...any) float64 {
	t.Helper()
	var n float64
	if err := conn.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// sessions counts the backends that the collector holds, whatever they are doing.
func sessions(t testing.TB, conn *pgx.Conn) int {
	t.Helper()
	return int(number(t, conn, "SELECT count(*) FROM pg_stat_get_activity(NULL) WHERE application_name = 'chronoops'"))
}

// target returns a configuration with defaults.
func target(dsn string) postgres.Config {
	cfg := postgres.DefaultConfig
	cfg.Name = "main"
	cfg.DSN = config.Secret(dsn)
	return cfg
}

func collect(t testing.TB, o postgres.Options) *postgres.Collector {
	t.Helper()
	c, err := postgres.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func scraper(t testing.TB, dsn string) *collectortest.Scraper {
	t.Helper()
	return scrape(t, collect(t, postgres.Options{Config: target(dsn)}))
}

// scrape returns a scraper of the parts that are on by default, and of the further ones.
func scrape(t testing.TB, c *postgres.Collector, further ...string) *collectortest.Scraper {
	t.Helper()
	for _, p := range c.Parts() {
		if p.Default {
			further = append(further, p.Name)
		}
	}
	return collectortest.NewScraper(t, c, further...)
}

// enough is a timeout that is never met.
const enough = 30 * time.Second

func down(reason string) string {
	return `chronoops_target_down{kind="postgres",reason="` + reason + `"}`
}

// wantDown checks for pg_up 0 with the reason and nothing else of the server.
func wantDown(t testing.TB, o collectortest.Outcome, reason string) {
	t.Helper()
	if got := o.Sample("pg_up"); got != "0" {
		t.Errorf("pg_up = %q, want 0", got)
	}
	if o.Sample(down(reason)) != "1" {
		t.Errorf("no %s in\n%s", down(reason), o.Text)
	}
	for part, ok := range o.Success {
		if ok {
			t.Errorf("part %s succeeded", part)
		}
	}
}

// wantUp checks for pg_up 1 and that all parts but the named ones succeeded.
func wantUp(t testing.TB, o collectortest.Outcome, failed ...string) {
	t.Helper()
	if got := o.Sample("pg_up"); got != "1" {
		t.Errorf("pg_up = %q, want 1", got)
	}
	want := make(map[string]bool)
	for _, part := range failed {
		want[part] = true
	}
	for part, ok := range o.Success {
		if ok == want[part] {
			t.Errorf("part %s: success %v", part, ok)
		}
	}
}

func value(t testing.TB, o collectortest.Outcome, series string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(o.Sample(series), 64)
	if err != nil {
		t.Fatalf("%s: %v", series, err)
	}
	return v
}

// needMonitor lists the parts that a role without pg_monitor cannot read.
func needMonitor() []string {
	return []string{"stat_activity", "blocking", "connections", "horizon", "wal"}
}
