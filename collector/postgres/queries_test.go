package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
)

// withQueries reads a target's queries from YAML as the program does.
func withQueries(dsn, text string) (postgres.Config, error) {
	cfg := target(dsn)
	var list struct {
		Queries []postgres.QueryConfig `yaml:"queries"`
	}
	if err := yaml.Load([]byte("queries:\n"+text), &list, yaml.WithKnownFields()); err != nil {
		return cfg, err
	}
	cfg.Queries = list.Queries
	_, err := postgres.New(postgres.Options{Config: cfg})
	return cfg, err
}

func TestQueries(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE TABLE orders (status text, cents bigint)")
	exec(t, admin, "INSERT INTO orders VALUES ('new', 150), ('new', 250), ('sent', 50), (NULL, 7)")
	for _, name := range []string{"shop_a", "shop_b", "wiki"} {
		exec(t, admin, "CREATE DATABASE "+name)
	}
	cfg, err := withQueries(p.URL, `
- name: shop_orders
  sql: |
    SELECT status, count(*) AS n, sum(cents) / 100.0 AS value_total, max(cents) > 200 AS large, NULL::int AS nothing
    FROM public.orders GROUP BY status; -- all of them
  columns:
    status: {type: label}
    n: {type: gauge, help: Orders by status.}
    value_total: {type: counter}
    large: {type: gauge}
    nothing: {type: gauge}
- name: shop_ticks
  sql: SELECT extract(epoch FROM clock_timestamp()) AS seconds
  columns: {seconds: {type: gauge}}
  min_interval: 1m
- name: shop_size
  sql: SELECT pg_database_size(current_database()) AS bytes
  columns: {bytes: {type: gauge}}
  databases: [shop_*]
`)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	s := scrape(t, collect(t, postgres.Options{Config: cfg, Now: func() time.Time { return now }}))
	o := until(t, s, "the databases", has(`shop_size_bytes{datname="shop_b"}`))
	wantUp(t, o)
	want := []string{
		`shop_orders_large{status=""} 0`, `shop_orders_large{status="new"} 1`, `shop_orders_large{status="sent"} 0`,
		`shop_orders_n{status=""} 1`, `shop_orders_n{status="new"} 2`, `shop_orders_n{status="sent"} 1`,
		`shop_orders_value_total{status=""} 0.07`, `shop_orders_value_total{status="new"} 4`, `shop_orders_value_total{status="sent"} 0.5`,
	}
	if diff := cmp.Diff(want, samplesOf(o.Text, "shop_orders")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := samplesOf(o.Text, "shop_size_bytes"); len(got) != 2 {
		t.Errorf("%q, want the two databases that are named", got)
	}
	if !strings.Contains(o.Text, "# HELP shop_orders_n Orders by status.\n# TYPE shop_orders_n gauge") ||
		!strings.Contains(o.Text, "# TYPE shop_orders_value_total counter") {
		t.Error("help or type is missing")
	}
	tick := o.Sample("shop_ticks_seconds")
	now = now.Add(59 * time.Second)
	if got := s.Scrape(enough).Sample("shop_ticks_seconds"); got != tick {
		t.Error("a query was run before its min_interval was over")
	}
	now = now.Add(time.Second)
	if got := s.Scrape(enough).Sample("shop_ticks_seconds"); got == tick {
		t.Error("a query was not run again after its min_interval")
	}
	if _, success := collectortest.Scrape(t, collect(t, postgres.Options{Config: cfg}), "query_shop_ticks"); !success["query_shop_ticks"] {
		t.Error("the query cannot be selected alone")
	}
}

// TestQueriesThatFail fail alone, each with one line in the log that says what to do.
func TestQueriesThatFail(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE TABLE t (n int, word text); INSERT INTO t VALUES (1, 'c4n4ry'); CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
	cfg, err := withQueries(p.As("watcher", "postgres"), `
- {name: a_fine, sql: SELECT 1 AS n, columns: {n: {type: gauge}}}
- {name: a_extra, sql: 'SELECT 1 AS n, 2 AS m', columns: {n: {type: gauge}}}
- {name: a_missing, sql: SELECT 1 AS n WHERE false, columns: {n: {type: gauge}, m: {type: gauge}}}
- {name: a_twice, sql: 'SELECT 1 AS n, 1 AS n', columns: {n: {type: gauge}}}
- {name: a_same, sql: "SELECT 'x' AS l, n FROM generate_series(1, 2) n", columns: {n: {type: gauge}, l: {type: label}}}
- {name: a_many, sql: 'SELECT n AS l, n FROM generate_series(1, 1001) n', columns: {n: {type: gauge}, l: {type: label}}}
- {name: a_text, sql: "SELECT 'c4n4ry' AS n", columns: {n: {type: gauge}}}
- {name: a_cast, sql: "SELECT 'c4n4ry'::text::int AS n", columns: {n: {type: gauge}}}
- {name: a_path, sql: SELECT n FROM t, columns: {n: {type: gauge}}}
- {name: a_rights, sql: SELECT n FROM public.t, columns: {n: {type: gauge}}}
- {name: a_slow, sql: 'SELECT 1 AS n FROM pg_sleep(60)', columns: {n: {type: gauge}}, timeout: 100ms}
- {name: a_write, sql: "SELECT nextval('public.s') AS n", columns: {n: {type: gauge}}}
- {name: a_broken, sql: SELECT n FROM, columns: {n: {type: gauge}}}
- {name: a_last, sql: SELECT 1 AS n, columns: {n: {type: gauge}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, admin, "CREATE SEQUENCE s; GRANT ALL ON SEQUENCE s TO watcher")
	words := map[string]string{
		"a_extra": "not described", "a_missing": `no column \"m\"`, "a_twice": "two columns", "a_same": "same labels", "a_many": "1000 rows",
		"a_text": "no number", "a_cast": "22P02", "a_path": "schema.name", "a_rights": "GRANT SELECT", "a_slow": "raise timeout",
		"a_write": "read-only", "a_broken": "syntax error",
	}
	var failed []string
	for name := range words {
		failed = append(failed, "query_"+name)
	}
	s := scrape(t, collect(t, postgres.Options{Config: cfg}))
	for range 3 {
		o := s.Scrape(enough)
		wantUp(t, o, failed...)
		if o.Sample("a_fine_n") != "1" || o.Sample("a_last_n") != "1" {
			t.Error("the queries that work are missing")
		}
	}
	log := s.Log()
	if len(log) != len(words) {
		t.Errorf("%d lines logged, want one for each query that fails:\n%s", len(log), strings.Join(log, "\n"))
	}
	for name, word := range words {
		found := false
		for _, line := range log {
			found = found || strings.Contains(line, "part=query_"+name) && strings.Contains(line, word)
		}
		if !found {
			t.Errorf("%s: nobody says %q in\n%s", name, word, strings.Join(log, "\n"))
		}
	}
	if strings.Contains(strings.Join(log, "\n"), "c4n4ry") {
		t.Error("a value of the data is in the log")
	}
	if n := sessions(t, admin); n != 1 {
		t.Errorf("%d sessions of ours", n)
	}
}

func TestQueriesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"- {sql: SELECT 1 AS n, columns: {n: {type: gauge}}}":                                                                            "query name",
		"- {name: Shop, sql: SELECT 1 AS n, columns: {n: {type: gauge}}}":                                                                "lower-case",
		"- {name: shop, columns: {n: {type: gauge}}}":                                                                                    "sql is missing",
		"- {name: shop, sql: ';', columns: {n: {type: gauge}}}":                                                                          "sql is missing",
		"- {name: shop, sql: SELECT 1 AS n}":                                                                                             "counter or a gauge",
		"- {name: shop, sql: SELECT 1 AS n, columns: {n: {type: label}}}":                                                                "counter or a gauge",
		"- {name: shop, sql: SELECT 1 AS n, columns: {n: {type: histogram}, m: {type: gauge}}}":                                          "use label",
		"- {name: shop, sql: SELECT 1 AS n, columns: {N: {type: gauge}}}":                                                                "alias",
		"- {name: shop, sql: SELECT 1 AS n, columns: {n: {type: gauge}, __name__: {type: label}}}":                                       "alias",
		"- {name: shop, sql: 'SELECT 1 AS n; DROP TABLE t', columns: {n: {type: gauge}}}":                                                "more than one",
		"- {name: shop, sql: DELETE FROM t, columns: {n: {type: gauge}}}":                                                                "begins with DELETE",
		"- {name: shop, sql: 'SELECT $1', columns: {n: {type: gauge}}}":                                                                  "parameter",
		"- {name: shop, sql: 'SELECT ''', columns: {n: {type: gauge}}}":                                                                  "quote",
		"- {name: pg, sql: SELECT 1 AS up, columns: {up: {type: gauge}}}":                                                                "already",
		"- {name: pg_stat_bgwriter, sql: SELECT 1 AS n, columns: {buffers_alloc: {type: gauge}}}":                                        "already",
		"- {name: node, sql: SELECT 1 AS n, columns: {load1: {type: gauge}}}":                                                            "taken",
		"- {name: shop, sql: SELECT 1 AS n, columns: {n: {type: gauge}}, databases: ['[']}":                                              "pattern",
		"- {name: shop, sql: x, columns: {n: {type: gauge}, datname: {type: label}}, databases: ['*']}":                                  "begins with X",
		"- {name: s, sql: table t, columns: {n: {type: gauge}, datname: {type: label}}, databases: [x]}":                                 "by itself",
		"- {name: shop, sql: SELECT 1 AS n, columns: {n: {type: gauge}}, max_rows: -1}":                                                  "negative",
		"- {name: shop, sql: SELECT 1 AS n, columns: {n: {type: gauge, unit: s}}}":                                                       "unit",
		"- {name: a, sql: SELECT 1 AS n, columns: {n: {type: gauge}}}\n- {name: a, sql: SELECT 1 AS m, columns: {m: {type: gauge}}}":     "two queries",
		"- {name: a, sql: SELECT 1 AS n, columns: {b_n: {type: gauge}}}\n- {name: a_b, sql: SELECT 1 AS n, columns: {n: {type: gauge}}}": "already",
		"- {name: shop, sql: \"SELECT ';' AS l, 1 AS n -- ; \\n ;\", columns: {n: {type: gauge}, l: {type: label}}}":                     "",
	} {
		_, err := withQueries("postgres://h/d", text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && err == nil:
			t.Errorf("%s was accepted", text)
		case want != "" && !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want a word about %q", text, err, want)
		}
	}
}
