package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
)

func TestValues(t *testing.T) {
	p := server(t)
	admin := connect(t, p.URL)
	for range 3 {
		exec(t, connect(t, p.URL, "application_name", "shop"), "BEGIN")
	}
	exec(t, admin, "CREATE TABLE IF NOT EXISTS values_test (n int)")
	locker := connect(t, p.URL, "application_name", "locker")
	exec(t, locker, "BEGIN; LOCK TABLE values_test IN ACCESS EXCLUSIVE MODE")
	o := scraper(t, p.URL).Scrape(enough)
	wantUp(t, o)

	activity := func(metric, app string) string {
		return fmt.Sprintf(`pg_stat_activity_%s{application_name="%s",backend_type="client backend",datname="postgres",`+
			`state="idle in transaction",usename="postgres",wait_event="ClientRead",wait_event_type="Client"}`, metric, app)
	}
	if got := o.Sample(activity("count", "shop")); got != "3" {
		t.Errorf("%s = %q, want 3", activity("count", "shop"), got)
	}
	if value(t, o, activity("max_tx_duration", "shop")) <= 0 {
		t.Error("transactions have no age")
	}
	if strings.Contains(o.Text, `application_name="chronoops"`) {
		t.Error("our own session is counted")
	}
	if got := o.Sample(`pg_locks_count{datname="postgres",mode="accessexclusivelock"}`); got != "1" {
		t.Errorf("access exclusive locks = %q, want 1", got)
	}
	major, err := p.Major()
	if err != nil {
		t.Fatal(err)
	}
	template := fmt.Sprintf(`{datid="%.0f",datname="template0"}`, number(t, admin, "SELECT oid::int8::float8 FROM pg_database WHERE datname = 'template0'"))
	for series, sql := range map[string]string{
		`pg_settings_max_connections`:                             "SELECT setting FROM pg_settings WHERE name = 'max_connections'",
		`pg_settings_shared_buffers_bytes`:                        "SELECT pg_size_bytes(current_setting('shared_buffers'))",
		`pg_database_size_bytes{datname="template0"}`:             "SELECT pg_database_size('template0')",
		`pg_database_connection_limit{datname="template0"}`:       "SELECT datconnlimit FROM pg_database WHERE datname = 'template0'",
		`pg_stat_database_blks_hit` + template:                    "SELECT blks_hit FROM pg_stat_database WHERE datname = 'template0'",
		`pg_stat_database_stats_reset` + template:                 "SELECT coalesce(floor(extract(epoch FROM stats_reset)), 0) FROM pg_stat_database WHERE datname = 'template0'",
		`pg_settings_checkpoint_timeout_seconds`:                  "SELECT extract(epoch FROM current_setting('checkpoint_timeout')::interval)",
		`pg_settings_autovacuum_vacuum_cost_delay_seconds`:        "SELECT 0.002",
		`pg_settings_statement_timeout_seconds`:                   "SELECT 0",
		`pg_settings_lock_timeout_seconds`:                        "SELECT 0",
		`pg_settings_idle_in_transaction_session_timeout_seconds`: "SELECT 0",
		`pg_settings_default_transaction_read_only`:               "SELECT 0",
		`pg_settings_transaction_read_only`:                       "SELECT 0",
		`pg_settings_log_min_duration_statement_seconds`:          "SELECT -1",
		`pg_settings_track_activities`:                            "SELECT 1",
		`pg_static{server="` + hostPort(p) + `"`:                  "",
	} {
		if sql == "" {
			if !strings.Contains(o.Text, fmt.Sprintf(`%s,short_version="%d.`, series, major)) {
				t.Errorf("no %s with version %d", series, major)
			}
			continue
		}
		if got, want := value(t, o, series), number(t, admin, "SELECT ("+sql+")::float8"); got != want {
			t.Errorf("%s = %v, want %v", series, got, want)
		}
	}
}

func hostPort(p *stack.Postgres) string { return fmt.Sprintf("127.0.0.1:%d", p.Port) }

func TestApplicationNamesAreCapped(t *testing.T) {
	p := server(t)
	cfg := target(p.URL)
	cfg.ApplicationNames = 2
	s := scrape(t, collect(t, postgres.Options{Config: cfg}))
	const n = 6
	for i := range n {
		exec(t, connect(t, p.URL, "application_name", fmt.Sprintf("capped-%d", i)), "BEGIN")
	}
	names := func(text string) map[string]bool {
		found := make(map[string]bool)
		for line := range strings.Lines(text) {
			if rest, ok := strings.CutPrefix(line, `pg_stat_activity_count{application_name="`); ok {
				name, _, _ := strings.Cut(rest, `"`)
				found[name] = true
			}
		}
		return found
	}
	total := func(text string) (sum float64) {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "pg_stat_activity_count{") && strings.Contains(line, `state="idle in transaction"`) {
				var v float64
				fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &v)
				sum += v
			}
		}
		return sum
	}
	first := s.Scrape(enough)
	wantUp(t, first)
	got := names(first.Text)
	if len(got) > 4 || !got["other"] { // the empty name, two admitted ones and other
		t.Errorf("names %v", got)
	}
	if sum := total(first.Text); sum < n {
		t.Errorf("%v sessions in all, want at least %d", sum, n)
	}
	for name := range names(s.Scrape(enough).Text) {
		if !got[name] {
			t.Errorf("%s came later", name)
		}
	}
}

func TestRoles(t *testing.T) {
	p := server(t)
	admin := connect(t, p.URL)
	exec(t, admin, "DROP ROLE IF EXISTS watcher, stranger; CREATE ROLE watcher LOGIN IN ROLE pg_monitor; CREATE ROLE stranger LOGIN")
	exec(t, connect(t, p.URL, "application_name", "hidden"), "BEGIN")

	watcher := scraper(t, strings.Replace(p.URL, "postgres@", "watcher@", 1)).Scrape(enough)
	wantUp(t, watcher)
	if !strings.Contains(watcher.Text, `application_name="hidden"`) {
		t.Error("a member of pg_monitor does not see the other sessions")
	}

	s := scraper(t, strings.Replace(p.URL, "postgres@", "stranger@", 1))
	for range 3 {
		o := s.Scrape(enough)
		wantUp(t, o, needMonitor()...)
		if strings.Contains(o.Text, "pg_stat_activity_count") {
			t.Error("sessions are counted although most are hidden")
		}
	}
	if log := s.Log(); len(log) != len(needMonitor()) {
		t.Errorf("log = %q, want one line for each of %v", log, needMonitor())
	}
	for _, line := range s.Log() {
		if !strings.Contains(line, "GRANT pg_monitor") {
			t.Errorf("%s: does not say what to do", line)
		}
	}
	exec(t, admin, "GRANT pg_monitor TO stranger")
	wantUp(t, s.Scrape(enough))
}

func TestSizesAreReadRarely(t *testing.T) {
	p := server(t)
	admin := connect(t, p.URL)
	exec(t, admin, "DROP DATABASE IF EXISTS late")
	now := time.Unix(1_700_000_000, 0)
	cfg := target(p.URL)
	cfg.SlowInterval = model.Duration(time.Minute)
	s := scrape(t, collect(t, postgres.Options{Config: cfg, Now: func() time.Time { return now }}))
	const age = `chronoops_postgres_view_age_seconds{view="database_size"}`
	check := func(wantAge float64, wantLate bool) {
		t.Helper()
		o := s.Scrape(enough)
		wantUp(t, o)
		if got := value(t, o, age); got != wantAge {
			t.Errorf("age = %v, want %v", got, wantAge)
		}
		if got := o.Sample(`pg_database_size_bytes{datname="late"}`) != ""; got != wantLate {
			t.Errorf("size of the new database: %v, want %v", got, wantLate)
		}
		if o.Sample(`pg_database_size_bytes{datname="postgres"}`) == "" {
			t.Error("no size of the old database")
		}
	}
	check(0, false)
	exec(t, admin, "CREATE DATABASE late")
	defer exec(t, admin, "DROP DATABASE late")
	now = now.Add(59 * time.Second)
	check(59, false)
	now = now.Add(time.Second)
	check(0, true)
}

func TestSettingsFollowReload(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	proxy := collectortest.NewProxy(t, hostPort(p))
	s := scraper(t, strings.Replace(p.URL, hostPort(p), proxy.Addr, 1))
	s.Scrape(enough)
	cold := proxy.Traffic()
	if got := s.Scrape(enough).Sample("pg_settings_work_mem_bytes"); got != "4.194304e+06" {
		t.Errorf("work_mem = %q", got)
	}
	if warm := proxy.Traffic().Received - cold.Received; warm > cold.Received/2 {
		t.Errorf("a warm scrape receives %d bytes, the first one %d: the settings were read again", warm, cold.Received)
	}
	set(t, admin, "work_mem", "'8MB'")
	until(t, s, "the new setting", func(o collectortest.Outcome) bool { return o.Sample("pg_settings_work_mem_bytes") == "8.388608e+06" })

	const pending = "chronoops_postgres_setting_pending_restart"
	set(t, admin, "huge_pages", "off") // its type is enum
	set(t, admin, "max_files_per_process", "2000")
	o := until(t, s, "settings that wait for a restart", has(pending+`{name="max_files_per_process"}`))
	if o.Sample(pending+`{name="huge_pages"}`) != "1" {
		t.Errorf("%q, want huge_pages as well", samplesOf(o.Text, pending))
	}
	if o.Sample("pg_settings_max_files_per_process") != "1000" {
		t.Error("a setting shows before it is in force")
	}
	set(t, admin, "max_files_per_process", "1000")
	set(t, admin, "huge_pages", "try")
	until(t, s, "settings that do not wait any more", func(o collectortest.Outcome) bool {
		return o.Sample(pending+`{name="max_files_per_process"}`)+o.Sample(pending+`{name="huge_pages"}`) == ""
	})
}

func TestDSNFileIsReadAtEachConnect(t *testing.T) {
	p := server(t)
	file := filepath.Join(t.TempDir(), "dsn")
	cfg := postgres.DefaultConfig
	cfg.Name, cfg.DSNFile = "main", file
	s := scrape(t, collect(t, postgres.Options{Config: cfg}))
	wantDown(t, s.Scrape(enough), "config")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(with(t, p.URL, "dbname", "nowhere"))
	wantDown(t, s.Scrape(enough), "no_database")
	write("  postgresql+asyncpg" + strings.TrimPrefix(p.URL, "postgres") + "\n")
	wantUp(t, s.Scrape(enough))
}

func TestClose(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	c := collect(t, postgres.Options{Config: target(p.URL)})
	s := scrape(t, c)
	wantUp(t, s.Scrape(enough))
	if n := sessions(t, admin); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
	c.Close()
	c.Close()
	for deadline := time.Now().Add(enough); sessions(t, admin) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the session is still there")
		}
	}
	wantDown(t, s.Scrape(enough), "error")
}

// BenchmarkScrape is a warm scrape of all parts, less the encoding.
func BenchmarkScrape(b *testing.B) {
	s := scraper(b, server(b).URL)
	if o := s.Scrape(enough); o.Sample("pg_up") != "1" {
		b.Fatal(o.Text)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
