package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
)

func TestTablesOfTheDatabase(t *testing.T) {
	p := start(t, stack.PostgresOptions{Settings: map[string]string{"autovacuum": "off"}})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders SELECT n, 'x' FROM generate_series(1, 1000) n")
	exec(t, admin, "DELETE FROM orders WHERE id <= 100; UPDATE orders SET note = 'y' WHERE id > 990")
	exec(t, admin, "VACUUM orders")
	exec(t, admin, "ANALYZE orders")
	exec(t, admin, "SELECT pg_sleep(1.1)") // Statistics travel by UDP before PostgreSQL 15, and rarely within a transaction.
	o := scraper(t, p.URL).Scrape(enough)
	wantUp(t, o)
	const labels = `{datname="postgres",relname="orders",schemaname="public"}`
	for series, want := range map[string]float64{
		"pg_stat_user_tables_n_tup_ins": 1000, "pg_stat_user_tables_n_tup_del": 100, "pg_stat_user_tables_n_tup_upd": 10,
		"pg_stat_user_tables_vacuum_count": 1, "pg_stat_user_tables_analyze_count": 1, "pg_stat_user_tables_last_autovacuum": 0,
		"pg_stat_user_tables_n_live_tup":       number(t, admin, "SELECT n_live_tup::float8 FROM pg_stat_user_tables"),
		"pg_stat_user_tables_n_dead_tup":       number(t, admin, "SELECT n_dead_tup::float8 FROM pg_stat_user_tables"),
		"pg_stat_user_tables_table_size_bytes": number(t, admin, "SELECT pg_table_size('orders')"),
		"pg_stat_user_tables_index_size_bytes": number(t, admin, "SELECT pg_indexes_size('orders')"),
		"pg_stat_user_tables_last_vacuum":      number(t, admin, "SELECT floor(extract(epoch FROM last_vacuum))::float8 FROM pg_stat_user_tables"),
		"pg_statio_user_tables_heap_blocks_hit": number(t, admin,
			"SELECT heap_blks_hit::float8 FROM pg_statio_user_tables"),
	} {
		if got := value(t, o, series+labels); got != want {
			t.Errorf("%s = %v, want %v", series, got, want)
		}
	}
}

// TestLockedTables locks a table, an index and a TOAST table altogether. Only their sizes are missing: asking for them
// would wait, and make others wait.
func TestLockedTables(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	for _, name := range []string{"open", "locked", "indexed", "toasted"} {
		exec(t, admin, fmt.Sprintf("CREATE TABLE %s (id int PRIMARY KEY, note text)", name))
	}
	exec(t, connect(t, p.URL), "BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
	exec(t, connect(t, p.URL), "BEGIN; REINDEX INDEX indexed_pkey")
	exec(t, connect(t, p.URL), "BEGIN; TRUNCATE toasted")
	s := scrape(t, collect(t, postgres.Options{Config: target(p.URL)}), "stat_user_indexes", "statio_user_indexes")
	o := s.Scrape(enough)
	wantUp(t, o)
	for name, want := range map[string]bool{"open": true, "locked": false, "indexed": false, "toasted": false} {
		labels := fmt.Sprintf(`{datname="postgres",relname="%s",schemaname="public"}`, name)
		if got := o.Sample("pg_stat_user_tables_table_size_bytes"+labels) != ""; got != want {
			t.Errorf("size of %s: %v, want %v", name, got, want)
		}
		if o.Sample("pg_stat_user_tables_seq_scan"+labels) == "" {
			t.Errorf("nothing else of %s", name)
		}
	}
	if log := s.Log(); len(log) > 0 {
		t.Errorf("logged %q", log)
	}
}

// TestRelationsAreCapped keeps the largest tables, and says how many are missing.
func TestRelationsAreCapped(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	for i := range 10 {
		exec(t, admin, fmt.Sprintf("CREATE TABLE t%d AS SELECT repeat('x', 1000) FROM generate_series(1, %d)", i, 10+100*i))
	}
	exec(t, admin, "ANALYZE")
	cfg := target(p.URL)
	cfg.Relations = 3
	o := scrape(t, collect(t, postgres.Options{Config: cfg})).Scrape(enough)
	wantUp(t, o)
	list := samplesOf(o.Text, "pg_stat_user_tables_seq_scan{")
	if text := strings.Join(list, "\n"); len(list) != 3 || !strings.Contains(text, `"t9"`) || !strings.Contains(text, `"t7"`) {
		t.Errorf("%s", text)
	}
	for _, view := range []string{"stat_user_tables", "statio_user_tables", "user_table_sizes"} {
		if got := o.Sample(`chronoops_postgres_view_rows_left_out{view="` + view + `"}`); got != "7" {
			t.Errorf("%s: %q rows left out, want 7", view, got)
		}
	}
}

// TestPartsThatAreOffCostNothing looks at what the server was asked.
func TestPartsThatAreOffCostNothing(t *testing.T) {
	p := start(t, stack.PostgresOptions{Statements: true})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
	s := collectortest.NewScraper(t, collect(t, postgres.Options{Config: target(p.As("watcher", "postgres"))}), "locks")
	s.Scrape(enough)
	exec(t, admin, "SELECT pg_stat_statements_reset()")
	const n = 5
	for range n {
		wantUp(t, s.Scrape(enough))
	}
	const ours = "FROM pg_stat_statements WHERE userid = 'watcher'::regrole"
	if got := number(t, admin, "SELECT coalesce(sum(calls), 0)::float8 "+ours); got != 2*n {
		t.Errorf("%v statements in %d scrapes, want two each: the session's and that of locks", got, n)
	}
}
