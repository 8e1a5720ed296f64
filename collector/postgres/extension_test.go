package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
)

// TestExtensionComesAndGoes creates, moves and drops an extension under one session.
func TestExtensionComesAndGoes(t *testing.T) {
	p := start(t, stack.PostgresOptions{Settings: map[string]string{"shared_preload_libraries": "pg_stat_statements"}})
	admin := connect(t, p.URL)
	s := scrape(t, collect(t, postgres.Options{Config: target(p.URL)}), "stat_statements")
	const other = `pg_stat_statements_calls_total{datname="postgres",queryid="other",user="other"}`
	check := func(what string, there bool) {
		t.Helper()
		for range 2 { // One fails, and one asks where the extension is now.
			s.Scrape(enough)
		}
		o := s.Scrape(enough)
		if there {
			wantUp(t, o)
		} else {
			wantUp(t, o, "stat_statements")
		}
		if (o.Sample(other) != "") != there {
			t.Errorf("%s: statements there: %v", what, !there)
		}
	}
	check("no extension", false)
	if log := s.Log(); len(log) != 1 || !strings.Contains(log[0], "CREATE EXTENSION pg_stat_statements") {
		t.Errorf("log = %q, want one line that says what to do", log)
	}
	exec(t, admin, "CREATE EXTENSION pg_stat_statements")
	check("created", true)
	exec(t, admin, `CREATE SCHEMA "my ext"; ALTER EXTENSION pg_stat_statements SET SCHEMA "my ext"`)
	check("moved", true)
	exec(t, admin, "DROP EXTENSION pg_stat_statements")
	check("dropped", false)
	if n := sessions(t, admin); n != 1 {
		t.Errorf("%d sessions of ours, want 1", n)
	}
}

func TestStatements(t *testing.T) {
	p := start(t, stack.PostgresOptions{Statements: true})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE ROLE watcher LOGIN IN ROLE pg_monitor; CREATE ROLE stranger LOGIN; CREATE TABLE orders (id int, note text)")
	cfg := target(strings.Replace(p.URL, "postgres@", "watcher@", 1))
	proxy := collectortest.NewProxy(t, hostPort(p))
	cfg.DSN = config.Secret(strings.Replace(string(cfg.DSN), hostPort(p), proxy.Addr, 1))
	cfg.Statements.Top, cfg.Statements.QueryText = 3, true
	now := time.Unix(1_700_000_000, 0)
	s := scrape(t, collect(t, postgres.Options{Config: cfg, Now: func() time.Time { return now }}), "stat_statements")

	const secret = "c4n4ry"
	for i := range 200 {
		exec(t, admin, fmt.Sprintf("SELECT count(*), pg_sleep(0.001) FROM orders WHERE id = %d AND note <> '%s'", i, secret))
	}
	for i := range 30 {
		exec(t, admin, fmt.Sprintf("SELECT %d AS column%d", i, i))
	}
	exec(t, admin, "ALTER ROLE stranger PASSWORD '"+secret+"'")
	wantUp(t, s.Scrape(enough))
	first := proxy.Traffic()
	o := s.Scrape(enough) // Knows the texts.
	if trips := proxy.Traffic().Trips - first.Trips; trips != 1 {
		t.Errorf("%d round trips", trips)
	}
	wantUp(t, o)
	var id string
	if err := admin.QueryRow(t.Context(), "SELECT queryid::text FROM pg_stat_statements WHERE query LIKE '%pg_sleep%'").Scan(&id); err != nil {
		t.Fatal(err)
	}
	series := fmt.Sprintf(`pg_stat_statements_calls_total{datname="postgres",queryid="%s",user="postgres"}`, id)
	if got := o.Sample(series); got != "200" {
		t.Errorf("%s = %q, want 200", series, got)
	}
	text := fmt.Sprintf(`pg_stat_statements_query_id{query="SELECT count(*), pg_sleep($1) FROM orders WHERE id = $2 AND note <> $3",queryid="%s"}`, id)
	if o.Sample(text) != "1" {
		t.Errorf("no %s in\n%s", text, strings.Join(samplesOf(o.Text, "pg_stat_statements_query_id"), "\n"))
	}
	if strings.Contains(o.Text, secret) {
		t.Error("a constant of a statement got out")
	}
	if n := len(samplesOf(o.Text, "pg_stat_statements_calls_total")); n > 2*3+3 {
		t.Errorf("%d series", n)
	}

	hidden := scrape(t, collect(t, postgres.Options{Config: target(strings.Replace(p.URL, "postgres@", "stranger@", 1))}), "stat_statements")
	wantUp(t, hidden.Scrape(enough), append(needMonitor(), "stat_statements")...)

	plain := scrape(t, collect(t, postgres.Options{Config: target(p.URL)}), "stat_statements")
	plain.Scrape(enough)
	if o := plain.Scrape(enough); strings.Contains(o.Text, "pg_stat_statements_query_id") {
		t.Error("texts are labels although nobody asked for them")
	}
}
