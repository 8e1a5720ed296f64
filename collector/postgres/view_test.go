package postgres

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/tools/stack"
)

const enough = 30 * time.Second

// odd returns a view of one row for tests; expr is its value.
func odd(name, expr string) *view {
	return &view{
		part: name, name: name,
		values: []value{{family: gauge("test_"+name, "Of a test."), expr: expr}},
		from:   "FROM (VALUES (1)) AS one(n) WHERE true",
	}
}

func withViews(t *testing.T, p *stack.Postgres, extra ...*view) *collectortest.Scraper {
	t.Helper()
	cfg := DefaultConfig
	cfg.Name, cfg.DSN = "main", config.Secret(p.URL)
	c := newCollector(Options{Config: cfg, Now: time.Now}, append(extra, views()...))
	t.Cleanup(c.Close)
	var parts []string
	for _, p := range c.Parts() {
		if p.Default {
			parts = append(parts, p.Name)
		}
	}
	return collectortest.NewScraper(t, c, parts...)
}

// TestViewsFailAlone puts views that cannot work before the others.
func TestViewsFailAlone(t *testing.T) {
	p, err := stack.StartPostgres(context.Background(), stack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	missing := odd("missing", "n")
	missing.from = "FROM pg_no_such_view WHERE true"
	future := odd("future", "n")
	future.since = 99
	s := withViews(t, p,
		missing,
		odd("unreadable", "(SELECT count(*) FROM pg_ls_dir('/no/such/dir'))"),
		odd("division", "1/(n-1)"),
		future,
		odd("limits", "CASE WHEN current_setting('lock_timeout') = '250ms' AND current_setting('default_transaction_read_only') = 'on' "+
			"AND current_setting('search_path') = 'pg_catalog, pg_temp' AND current_setting('statement_timeout')::interval < '30s' "+
			"AND current_setting('statement_timeout')::interval > '1s' AND current_setting('application_name') = 'chronoops' "+
			"AND current_setting('idle_in_transaction_session_timeout') = '10s' THEN 1 ELSE 0 END"),
	)
	for range 3 {
		o := s.Scrape(enough)
		want := maps.Clone(o.Success)
		for part := range want {
			want[part] = part != "missing" && part != "unreadable" && part != "division"
		}
		if diff := cmp.Diff(want, o.Success); diff != "" {
			t.Fatalf("success (-want +got):\n%s", diff)
		}
		if got := o.Sample("test_limits"); got != "1" {
			t.Errorf("our session's limits: %q, want 1", got)
		}
	}
	if log := s.Log(); len(log) != 3 {
		t.Errorf("logged %d lines, want one for each view that fails:\n%s", len(log), strings.Join(log, "\n"))
	}
}

// TestSlowView meets the deadline inside the server: the slow view is given up there, the others are not lost, and the
// session lives on.
func TestSlowView(t *testing.T) {
	p, err := stack.StartPostgres(context.Background(), stack.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	const patience = 5 * time.Second // a fifth of it is for the views after the slow one
	slow := odd("slow", "(SELECT 1 FROM pg_sleep(60))")
	pid := odd("pid", "pg_backend_pid()")
	s := withViews(t, p, slow, pid)
	first := s.Scrape(patience)
	for _, o := range []collectortest.Outcome{first, s.Scrape(patience)} {
		for part, ok := range o.Success {
			if ok == (part == "slow") {
				t.Errorf("part %s: success %v", part, ok)
			}
		}
		if o.Took > 2*patience {
			t.Errorf("took %v", o.Took)
		}
		if got := o.Sample("test_pid"); got == "" || got != first.Sample("test_pid") {
			t.Errorf("session %q, then %q: it was not kept", first.Sample("test_pid"), got)
		}
	}
	if log := s.Log(); len(log) != 1 || !strings.Contains(log[0], "deadline") {
		t.Errorf("log = %q", log)
	}
}

func TestStatementTimeout(t *testing.T) {
	for in, want := range map[time.Duration]int{10 * time.Second: 8000, time.Millisecond: 1, -time.Second: 1} {
		if got, err := strconv.Atoi(string(statementTimeout(in))); err != nil || got != want {
			t.Errorf("statementTimeout(%v) = %d, %v, want %d", in, got, err, want)
		}
	}
}

// TestTables checks what the engine takes for granted about the views.
func TestTables(t *testing.T) {
	families := make(map[string]*collector.Family)
	for major := oldest; major < 20; major++ {
		names := make(map[string]bool)
		emitted := make(map[*collector.Family]string)
		for _, v := range views() {
			if !inVersion(major, v.since, v.until) {
				continue
			}
			if names[v.name] || slices.Contains([]string{"server", "bounds", "timeout", "databases", extensionsQuery.name}, v.name) ||
				strings.HasPrefix(v.name, queryPrefix) {
				t.Errorf("two queries of version %d are called %s", major, v.name)
			}
			names[v.name] = true
			if v.changes != "" && !strings.Contains(v.from, "WHERE") {
				t.Errorf("view %s has a condition appended and no WHERE", v.name)
			}
			if v.changes != "" && v.capped {
				t.Errorf("view %s has two parameters called $1", v.name)
			}
			if v.extension != "" != strings.Contains(v.from+v.sql, "{schema}") {
				t.Errorf("view %s names no schema, or that of no extension", v.name)
			}
			_, values := v.query(major, extension{minor: major})
			for _, val := range values {
				if other, ok := emitted[val.family]; ok {
					t.Errorf("version %d has %s in %s and %s", major, val.family.Name, other, v.name)
				}
				emitted[val.family] = v.name
				want := len(v.labels)
				if val.only != nil {
					want = len(val.only)
				}
				if len(val.family.Labels) != want && v.decoder == nil {
					t.Errorf("%s has %d labels, its view %d", val.family.Name, len(val.family.Labels), want)
				}
			}
			for _, f := range v.families() {
				if other, ok := families[f.Name]; ok && other != f {
					t.Errorf("%s is declared twice", f.Name)
				}
				families[f.Name] = f
				if f.Help == "" {
					t.Errorf("%s has no help", f.Name)
				}
				if !strings.HasPrefix(f.Name, "pg_") && !strings.HasPrefix(f.Name, "chronoops_postgres_") && !strings.HasPrefix(f.Name, "test_") {
					t.Errorf("%s has a strange prefix", f.Name)
				}
			}
		}
	}
}
