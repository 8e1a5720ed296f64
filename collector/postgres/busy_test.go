package postgres_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
	"github.com/chronoops/chronoops/tools/stack/stacktest"
)

// majors are the versions to hold the golden files to: the one that all tests run on, and the oldest and the newest.
func majors(t *testing.T) []int {
	t.Helper()
	own, err := server(t).Major()
	if err != nil {
		t.Fatal(err)
	}
	list := append(parts.EverydayPostgres(), own)
	slices.Sort(list)
	return slices.Compact(list)
}

// busy starts a primary on which everything happens that shows in some view, and a standby of it.
func busy(t *testing.T, major int) (primary, standby *stack.Postgres) {
	t.Helper()
	p := start(t, stack.PostgresOptions{Major: major, Statements: true, Settings: map[string]string{
		"wal_level": "logical", "max_prepared_transactions": "2", "archive_mode": "on", "archive_command": "test -e allowed", "autovacuum": "off",
	}})
	admin := connect(t, p.URL)
	exec(t, admin, "SELECT pg_stat_reset(); CREATE EXTENSION pg_buffercache; CREATE TABLE ticks (at timestamptz)")
	exec(t, admin, "CREATE TABLE orders (id int PRIMARY KEY, note text); CREATE INDEX orders_note ON orders (note); INSERT INTO orders SELECT n, repeat('x', 500) FROM generate_series(1, 10000) n")
	exec(t, admin, "DELETE FROM orders WHERE id % 2 = 0; ANALYZE orders; SET enable_seqscan = off; SELECT count(*) FROM orders WHERE id = 1")
	exec(t, admin, "CREATE TABLE stock AS SELECT * FROM orders")
	exec(t, admin, "DELETE FROM stock")
	exec(t, admin, "VACUUM (TRUNCATE off, ANALYZE) stock")
	exec(t, admin, "SELECT pg_create_physical_replication_slot('lost', true)")
	set(t, admin, "max_slot_wal_keep_size", "'1MB'")
	for range 3 {
		exec(t, admin, "INSERT INTO ticks VALUES (now()); SELECT pg_switch_wal()")
	}
	eventually(t, admin, "SELECT count(*) FROM pg_stat_archiver WHERE failed_count > 0")
	if err := os.WriteFile(filepath.Join(p.Dir, "allowed"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, admin, "SELECT count(*) FROM pg_stat_archiver WHERE archived_count > 0")
	exec(t, admin, "CHECKPOINT")
	eventually(t, admin, "SELECT count(*) FROM pg_replication_slots WHERE wal_status = 'lost'")
	set(t, admin, "max_slot_wal_keep_size", "'1GB'")
	s, err := stack.StartStandby(context.Background(), p, stack.StandbyOptions{Slot: "repmgr_slot_7"})
	stacktest.Run(t, s, err)
	exec(t, admin, "SELECT pg_create_logical_replication_slot('logical', 'pgoutput')")
	set(t, admin, "max_connections", "200")

	exec(t, connect(t, p.URL, "application_name", "forgetful"), "BEGIN; LOCK TABLE stock")
	waitFor(t, admin, p, "shop", "SELECT * FROM stock")
	slow := connect(t, p.URL)
	exec(t, slow, "SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1")
	background(t, func(ctx context.Context) { _, _ = slow.Exec(ctx, "VACUUM orders") })
	r, w := io.Pipe()
	loader := connect(t, p.URL)
	background(t, func(ctx context.Context) {
		defer context.AfterFunc(ctx, func() { _ = w.Close() })()
		_, _ = loader.PgConn().CopyFrom(ctx, r, "COPY orders FROM STDIN")
	})
	writer := connect(t, p.URL)
	background(t, func(ctx context.Context) { // A standby that has nothing to do has no lag.
		for ctx.Err() == nil {
			_, _ = writer.Exec(ctx, "SELECT pg_sleep(0.02); INSERT INTO ticks VALUES (now())")
		}
	})
	eventually(t, admin, "SELECT count(*) FROM pg_stat_progress_vacuum")
	eventually(t, admin, "SELECT count(*) FROM pg_settings WHERE pending_restart")
	return p, s
}

// set changes a setting of the server.
func set(t *testing.T, admin *pgx.Conn, name, value string) {
	t.Helper()
	exec(t, admin, "ALTER SYSTEM SET "+name+" = "+value)
	exec(t, admin, "SELECT pg_reload_conf()")
}

// eventually waits until a count is not 0.
func eventually(t *testing.T, admin *pgx.Conn, sql string) {
	t.Helper()
	for deadline := time.Now().Add(enough); number(t, admin, sql) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is still 0", sql)
		}
	}
}

// background runs f until the test ends.
func background(t *testing.T, f func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// everything is a configuration with which every part has something to say.
func everything(dsn string) postgres.Config {
	cfg := target(dsn)
	cfg.Statements.QueryText = true
	return cfg
}
