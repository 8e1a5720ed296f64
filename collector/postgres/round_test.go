package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
)

// until scrapes until the condition holds, and returns the scrape.
func until(t *testing.T, s *collectortest.Scraper, what string, ok func(collectortest.Outcome) bool) collectortest.Outcome {
	t.Helper()
	deadline := time.Now().Add(enough)
	for {
		o := s.Scrape(enough)
		if ok(o) {
			return o
		}
		if time.Now().After(deadline) {
			t.Fatalf("not seen: %s\nlog: %s", what, strings.Join(s.Log(), "\n"))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// has waits for a series.
func has(series string) func(collectortest.Outcome) bool {
	return func(o collectortest.Outcome) bool { return o.Sample(series) != "" }
}

// TestBloat compares the estimate with what really is free, within a tenth of the relation.
func TestBloat(t *testing.T) {
	p := start(t, stack.PostgresOptions{Settings: map[string]string{"autovacuum": "off"}})
	admin := connect(t, p.URL)
	exec(t, admin, `CREATE TABLE packed AS SELECT n AS id, n % 10 AS kind, repeat('x', n % 50) AS note, now() AS at FROM generate_series(1, 50000) n;
		CREATE INDEX packed_id ON packed (id); CREATE INDEX packed_kind ON packed (kind); CREATE INDEX packed_note ON packed (lower(note), id);
		CREATE TABLE loose (LIKE packed); INSERT INTO loose SELECT * FROM packed;
		CREATE INDEX loose_id ON loose (id); CREATE INDEX loose_kind ON loose (kind); CREATE INDEX loose_note ON loose (lower(note), id);
		CREATE TABLE wide (id bigint, a smallint, b bigint, c boolean, d numeric, e uuid);
		INSERT INTO wide SELECT n, n, n, true, n, NULL FROM generate_series(1, 20000) n`)
	exec(t, admin, "DELETE FROM loose WHERE id % 5 <> 0")
	exec(t, admin, "VACUUM (ANALYZE, TRUNCATE off)")
	s := scrape(t, collect(t, postgres.Options{Config: target(p.URL)}), "bloat")
	table := func(name string) string {
		return fmt.Sprintf(`chronoops_postgres_table_bloat_bytes{datname="postgres",relname="%s",schemaname="public"}`, name)
	}
	index := func(table, name string) string {
		return fmt.Sprintf(`chronoops_postgres_index_bloat_bytes{datname="postgres",indexrelname="%s",relname="%s",schemaname="public"}`, name, table)
	}
	o := until(t, s, "bloat", has(table("loose")))
	wantUp(t, o)
	for series, want := range map[string]struct {
		relation string
		share    float64 // that is free
	}{
		table("packed"):                {"packed", 0},
		table("wide"):                  {"wide", 0},
		table("loose"):                 {"loose", 0.8},
		index("packed", "packed_id"):   {"packed_id", 0},
		index("packed", "packed_kind"): {"packed_kind", 0},
		index("packed", "packed_note"): {"packed_note", 0},
		index("loose", "loose_id"):     {"loose_id", 0.8},
		index("loose", "loose_kind"):   {"loose_kind", 0.8},
		index("loose", "loose_note"):   {"loose_note", 0.8},
	} {
		size := number(t, admin, fmt.Sprintf("SELECT pg_relation_size('%s')", want.relation))
		got := 0.0
		if o.Sample(series) != "" {
			got = value(t, o, series)
		}
		if share := got / size; share < want.share-0.1 || share > want.share+0.1 {
			t.Errorf("%s: %.0f %% of %.0f bytes are free, want %.0f %%", want.relation, 100*share, size, 100*want.share)
		}
	}
	const unknown = `chronoops_postgres_bloat_unknown_tables{datname="postgres"}`
	if o.Sample(unknown) != "0" {
		t.Errorf("%s = %s", unknown, o.Sample(unknown))
	}
	exec(t, admin, "CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
	blind := scrape(t, collect(t, postgres.Options{Config: target(p.As("watcher", "postgres"))}), "bloat")
	o = until(t, blind, "unknown tables", has(unknown))
	wantUp(t, o)
	if o.Sample(unknown) != "3" || len(samplesOf(o.Text, "chronoops_postgres_table_bloat")) > 0 {
		t.Errorf("%s = %s for a role that may not read the tables", unknown, o.Sample(unknown))
	}
}

// TestDatabases reads the tables of several databases.
func TestDatabases(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	for _, name := range []string{"shop", "wiki", "private_notes", "closed"} {
		exec(t, admin, "CREATE DATABASE "+name)
		exec(t, connect(t, p.As("postgres", name)), "CREATE TABLE in_"+name+" (n int PRIMARY KEY); INSERT INTO in_"+name+" VALUES (1), (2)")
	}
	exec(t, admin, "REVOKE CONNECT ON DATABASE closed FROM PUBLIC; CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
	cfg := target(p.As("watcher", "postgres"))
	cfg.Databases = postgres.DatabasesConfig{Include: []string{"*"}, Exclude: []string{"private_*", "closed"}}
	cfg.SlowInterval = model.Duration(time.Minute)
	now := time.Unix(1_700_000_000, 0)
	s := scrape(t, collect(t, postgres.Options{Config: cfg, Now: func() time.Time { return now }}), "stat_user_indexes")
	live := func(database string) string {
		return fmt.Sprintf(`pg_stat_user_tables_n_live_tup{datname="%s",relname="in_%[1]s",schemaname="public"}`, database)
	}
	o := until(t, s, "the tables of wiki", has(live("wiki")))
	wantUp(t, o)
	for _, series := range []string{
		live("shop"),
		`pg_statio_user_tables_heap_blocks_hit{datname="shop",relname="in_shop",schemaname="public"}`,
		`pg_stat_user_tables_table_size_bytes{datname="shop",relname="in_shop",schemaname="public"}`,
		`chronoops_postgres_index_scans_total{datname="shop",indexrelname="in_shop_pkey",relname="in_shop",schemaname="public"}`,
		`chronoops_postgres_unused_indexes{datname="shop"}`,
	} {
		if o.Sample(series) == "" {
			t.Errorf("no %s", series)
		}
	}
	for _, absent := range []string{"in_private", "in_closed"} {
		if strings.Contains(o.Text, absent) {
			t.Errorf("%s is there although it is excluded", absent)
		}
	}
	const age = `chronoops_postgres_database_age_seconds{datname="shop"}`
	now = now.Add(59 * time.Second)
	for range 3 {
		if o = s.Scrape(enough); o.Sample(age) != "59" {
			t.Errorf("%s = %q, want 59", age, o.Sample(age))
		}
	}
	exec(t, admin, "DROP DATABASE wiki WITH (FORCE)")
	now = now.Add(time.Second)
	o = until(t, s, "the end of wiki", func(o collectortest.Outcome) bool { return !strings.Contains(o.Text, "in_wiki") })
	if o.Sample(age) != "0" {
		t.Errorf("%s = %q after a second round", age, o.Sample(age))
	}
	if n := sessions(t, admin); n > 2 {
		t.Errorf("%d sessions of ours", n)
	}

	// One that cannot be read is named, and leaves the others be.
	cfg.Databases.Exclude = nil
	s = scrape(t, collect(t, postgres.Options{Config: cfg}))
	o = until(t, s, "a failure", func(o collectortest.Outcome) bool { return !o.Success["stat_user_tables"] })
	if o.Sample(live("shop")) == "" || o.Sample(live("private_notes")) == "" {
		t.Error("the other databases are missing")
	}
	wantUp(t, o, "stat_user_tables", "statio_user_tables", "unused_indexes")
	for _, line := range s.Log() {
		if !strings.Contains(line, "database closed: ") || !strings.Contains(line, "permission denied") {
			t.Errorf("%s: does not say which database is wrong", line)
		}
	}
}

// TestManyDatabases walks over a hundred of them, and looks at how many sessions that takes at a time.
func TestManyDatabases(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	names, err := p.CreateDatabases(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	last := slices.Max(names)
	if err := p.CreateTables(t.Context(), last, 2000); err != nil {
		t.Fatal(err)
	}
	cfg := target(p.URL)
	cfg.Databases.Include = names
	s := scrape(t, collect(t, postgres.Options{Config: cfg}))
	most := 0
	until(t, s, "the last database", func(o collectortest.Outcome) bool {
		most = max(most, sessions(t, admin))
		return o.Sample(fmt.Sprintf(`chronoops_postgres_unused_indexes{datname=%q}`, last)) != ""
	})
	if most > 2 {
		t.Errorf("%d sessions of ours at a time", most)
	}
}

// TestRoundYields freezes the network in the middle of a round: the next scrapes keep their deadline, and there are never
// more than two sessions.
func TestRoundYields(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	proxy := collectortest.NewProxy(t, hostPort(p))
	cfg := target(p.URL)
	cfg.DSN = config.Secret(strings.Replace(p.URL, hostPort(p), proxy.Addr, 1))
	s := scrape(t, collect(t, postgres.Options{Config: cfg}), "bloat")
	s.Scrape(enough) // begins a round
	proxy.Freeze(true)
	for range 4 {
		o := s.Scrape(short)
		if o.Took > 2*short {
			t.Errorf("took %v, want at most %v", o.Took, short)
		}
		if n := sessions(t, admin); n > 2 {
			t.Errorf("%d sessions of ours", n)
		}
	}
	proxy.Freeze(false)
	until(t, s, "the server again", func(o collectortest.Outcome) bool { return o.Sample("pg_up") == "1" })
}

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		cfg postgres.DatabasesConfig
		bad bool
	}{
		{cfg: postgres.DatabasesConfig{Include: []string{"*"}, Exclude: []string{"a*"}}},
		{cfg: postgres.DatabasesConfig{Include: []string{"[a"}}, bad: true},
		{cfg: postgres.DatabasesConfig{Include: []string{""}}, bad: true},
		{cfg: postgres.DatabasesConfig{Exclude: []string{"a"}}, bad: true},
	} {
		cfg := target("postgres://h/d")
		cfg.Databases = test.cfg
		if _, err := postgres.New(postgres.Options{Config: cfg}); (err != nil) != test.bad {
			t.Errorf("%+v: %v", test.cfg, err)
		}
	}
}
