package postgres_test

import (
	"context"
	"flag"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/common/config"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
	"github.com/chronoops/chronoops/tools/stack/stacktest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// shared is a server for the tests; those that hurt their server start one of their own.
var shared = stacktest.Share(func(ctx context.Context) (*stack.Postgres, error) {
	return stack.StartPostgres(ctx, stack.PostgresOptions{})
})

func TestMain(m *testing.M) { shared.Main(m) }

func server(t testing.TB) *stack.Postgres {
	t.Helper()
	return shared.Get(t)
}

// start runs a server for one test.
func start(t testing.TB, o stack.PostgresOptions) *stack.Postgres {
	t.Helper()
	p, err := stack.StartPostgres(context.Background(), o)
	return stacktest.Run(t, p, err)
}

func stop(t testing.TB, p *stack.Postgres) {
	t.Helper()
	stacktest.Stop(t, p)
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

var kind = collectortest.Kind{Name: "postgres", Up: "pg_up"}

func wantDown(t testing.TB, o collectortest.Outcome, reason string) {
	t.Helper()
	kind.WantDown(t, o, reason)
}

func wantUp(t testing.TB, o collectortest.Outcome, failed ...string) {
	t.Helper()
	kind.WantUp(t, o, failed...)
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
