package stack_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
	"github.com/chronoops/chronoops/tools/stack/stacktest"
)

func postgres(t *testing.T, o stack.PostgresOptions) *stack.Postgres {
	t.Helper()
	p, err := stack.StartPostgres(t.Context(), o)
	return stacktest.Run(t, p, err)
}

// ask returns the one value that a query gives.
func ask(t *testing.T, dsn, sql string, args ...any) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var text string
	if err := conn.QueryRow(t.Context(), "SELECT ("+sql+")::text", args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}

func TestPostgresVersions(t *testing.T) {
	t.Parallel()
	for _, major := range parts.EverydayPostgres() {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			p := postgres(t, stack.PostgresOptions{Major: major, Statements: true})
			version := ask(t, p.URL, "current_setting('server_version_num')::int / 10000")
			if version != strconv.Itoa(major) {
				t.Errorf("version %s, want %d", version, major)
			}
			if n := ask(t, p.URL, "SELECT count(*) > 0 FROM pg_stat_statements"); n != "true" {
				t.Error("no statements")
			}
		})
	}
}

func TestPostgresAdmitsWhomItIsTold(t *testing.T) {
	t.Parallel()
	p := postgres(t, stack.PostgresOptions{Password: "it's secret", TLS: true})
	monitor, err := p.CreateRole(t.Context(), "monitor", "pg_monitor")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := p.CreateRole(t.Context(), "plain")
	if err != nil {
		t.Fatal(err)
	}
	const member = "pg_has_role('pg_monitor', 'member')"
	if diff := cmp.Diff([]string{"true", "false"}, []string{ask(t, monitor, member), ask(t, plain, member)}); diff != "" {
		t.Errorf("members of pg_monitor (-want +got):\n%s", diff)
	}
	if got := ask(t, monitor, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); got != "true" {
		t.Error("the session has no TLS")
	}
	const invalidPassword, invalidAuthorization = "28P01", "28000"
	for name, c := range map[string]struct{ from, to, code string }{
		"without TLS":    {"sslmode=verify-full", "sslmode=disable", invalidAuthorization},
		"wrong password": {"it%27s", "its", invalidPassword},
	} {
		_, err := pgx.Connect(t.Context(), strings.Replace(monitor, c.from, c.to, 1))
		if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != c.code {
			t.Errorf("%s: %v, want code %s", name, err, c.code)
		}
	}
}

func TestPostgresKeepsALogicalSlot(t *testing.T) {
	t.Parallel()
	p := postgres(t, stack.PostgresOptions{Settings: map[string]string{"wal_level": "logical"}})
	err := p.Exec(t.Context(), "postgres",
		"SELECT pg_create_logical_replication_slot('decoding', 'pgoutput')",
		"CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
	if err != nil {
		t.Fatal(err)
	}
	const retained = "SELECT pg_current_wal_insert_lsn() > confirmed_flush_lsn FROM pg_replication_slots WHERE slot_type = 'logical'"
	if got := ask(t, p.URL, retained); got != "true" {
		t.Errorf("the slot retains what was written: %s", got)
	}
}

func TestPostgresRestarts(t *testing.T) {
	t.Parallel()
	p := postgres(t, stack.PostgresOptions{})
	if err := p.Exec(t.Context(), "postgres", "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	url, pid := p.URL, p.PID()
	for _, how := range []string{"in order", "after a crash"} {
		if how != "in order" {
			if err := p.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Restart(t.Context()); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if got := ask(t, url, "SELECT n FROM kept"); got != "7" {
			t.Errorf("%s: kept %s", how, got)
		}
		if p.PID() == pid {
			t.Errorf("%s: still process %d", how, pid)
		}
		pid = p.PID()
	}
	stopped(t, p, fmt.Sprintf("127.0.0.1:%d", p.Port), p.Dir)
}

func TestPostgresOfManyTables(t *testing.T) {
	t.Parallel()
	p := postgres(t, stack.PostgresOptions{})
	names, err := p.CreateDatabases(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, p.URL, "SELECT count(*) FROM pg_database WHERE datname = ANY($1)", names); got != "10" {
		t.Errorf("%s databases, want 10", got)
	}
	if err := p.CreateTables(t.Context(), names[3], 250); err != nil {
		t.Fatal(err)
	}
	for database, want := range map[string]string{names[3]: "250", names[4]: "0"} {
		if got := ask(t, p.As("postgres", database), "SELECT count(*) FROM pg_stat_user_tables"); got != want {
			t.Errorf("%s has %s tables, want %s", database, got, want)
		}
	}
}
