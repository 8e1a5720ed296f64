package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
)

// waitFor runs SQL in a session of its own and returns once somebody waits for a lock more than before.
func waitFor(t *testing.T, admin *pgx.Conn, p *stack.Postgres, app, sql string) {
	t.Helper()
	conn := connect(t, p.URL, "application_name", app)
	const waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
	before := number(t, admin, waiting)
	background(t, func(ctx context.Context) { _, _ = conn.Exec(ctx, sql) })
	for deadline := time.Now().Add(enough); number(t, admin, waiting) == before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not wait", sql)
		}
	}
}

// families of an exposition whose names begin so, one sample a line.
func samplesOf(text string, prefixes ...string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(line, p) }) {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

// TestBlocking has two causes: an idle transaction that an ALTER waits for, which two readers wait for, and one that
// holds a row.
func TestBlocking(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	exec(t, admin, `CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders VALUES (1, 1); CREATE TABLE stock (n int)`)
	exec(t, admin, "CREATE DATABASE other")
	s := scrape(t, collect(t, postgres.Options{Config: target(p.URL)}), "blocking")
	prefixes := []string{"chronoops_postgres_block", "chronoops_postgres_lock_waiters"}
	quiet := []string{
		`chronoops_postgres_blocked_longest_seconds{datname="other"} 0`, `chronoops_postgres_blocked_longest_seconds{datname="postgres"} 0`,
		`chronoops_postgres_blocked_longest_seconds{datname="template1"} 0`,
		`chronoops_postgres_blocked_sessions{datname="other"} 0`, `chronoops_postgres_blocked_sessions{datname="postgres"} 0`,
		`chronoops_postgres_blocked_sessions{datname="template1"} 0`,
		`chronoops_postgres_blocking_depth 0`,
		`chronoops_postgres_blocking_sessions{datname="other"} 0`, `chronoops_postgres_blocking_sessions{datname="postgres"} 0`,
		`chronoops_postgres_blocking_sessions{datname="template1"} 0`,
	}
	if diff := cmp.Diff(quiet, samplesOf(s.Scrape(enough).Text, prefixes...)); diff != "" {
		t.Fatalf("nobody waits (-want +got):\n%s", diff)
	}

	exec(t, connect(t, p.URL, "application_name", "forgetful"), "BEGIN; SELECT count(*) FROM stock")
	waitFor(t, admin, p, "migration", "ALTER TABLE stock ADD COLUMN m int")
	waitFor(t, admin, p, "shop", "SELECT * FROM stock")
	waitFor(t, admin, p, "shop", "SELECT n FROM stock")
	exec(t, connect(t, p.URL, "application_name", "batch"), "BEGIN; UPDATE orders SET n = 2")
	waitFor(t, admin, p, "shop", "UPDATE orders SET n = 3 WHERE id = 1")

	o := s.Scrape(enough)
	wantUp(t, o)
	want := []string{
		`chronoops_postgres_blocked_sessions{datname="other"} 0`, `chronoops_postgres_blocked_sessions{datname="postgres"} 4`,
		`chronoops_postgres_blocked_sessions{datname="template1"} 0`,
		`chronoops_postgres_blocking_depth 2`,
		`chronoops_postgres_blocking_sessions_behind{application_name="batch",datname="postgres",state="idle in transaction",usename="postgres"} 1`,
		`chronoops_postgres_blocking_sessions_behind{application_name="forgetful",datname="postgres",state="idle in transaction",usename="postgres"} 3`,
		`chronoops_postgres_blocking_sessions{datname="other"} 0`, `chronoops_postgres_blocking_sessions{datname="postgres"} 2`,
		`chronoops_postgres_blocking_sessions{datname="template1"} 0`,
		`chronoops_postgres_lock_waiters{datname="postgres",locktype="relation",mode="AccessExclusiveLock",relname="stock"} 1`,
		`chronoops_postgres_lock_waiters{datname="postgres",locktype="relation",mode="AccessShareLock",relname="stock"} 2`,
		`chronoops_postgres_lock_waiters{datname="postgres",locktype="transactionid",mode="ShareLock",relname="orders"} 1`,
	}
	got := slices.DeleteFunc(samplesOf(o.Text, prefixes...), func(line string) bool { return strings.Contains(line, "seconds{") })
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, series := range []string{
		`chronoops_postgres_blocked_longest_seconds{datname="postgres"}`,
		`chronoops_postgres_blocking_transaction_seconds{application_name="forgetful",datname="postgres",state="idle in transaction",usename="postgres"}`,
		`chronoops_postgres_lock_longest_wait_seconds{datname="postgres",locktype="relation",mode="AccessExclusiveLock",relname="stock"}`,
	} {
		if v := value(t, o, series); v <= 0 || v > enough.Seconds() {
			t.Errorf("%s = %v", series, v)
		}
	}
}

// TestBlockingByPreparedTransaction has a cause without a session.
func TestBlockingByPreparedTransaction(t *testing.T) {
	p := start(t, stack.PostgresOptions{Settings: map[string]string{"max_prepared_transactions": "2"}})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE TABLE held (n int)")
	exec(t, admin, "BEGIN")
	exec(t, admin, "LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
	exec(t, admin, "PREPARE TRANSACTION 'forgotten'")
	waitFor(t, admin, p, "reader", "SELECT * FROM held")
	o := scrape(t, collect(t, postgres.Options{Config: target(p.URL)})).Scrape(enough)
	wantUp(t, o)
	const series = `chronoops_postgres_blocking_sessions_behind{application_name="",datname="postgres",state="prepared transaction",usename=""}`
	if o.Sample(series) != "1" {
		t.Errorf("no %s in\n%s", series, strings.Join(samplesOf(o.Text, "chronoops_postgres_block"), "\n"))
	}
	if got := value(t, o, `chronoops_postgres_horizon_age_transactions{holder="prepared"}`); got < 0 {
		t.Errorf("age of the prepared transaction: %v", got)
	}
}

// TestManyLocksAreBounded has more relations waited for than get series of their own.
func TestManyLocksAreBounded(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	admin := connect(t, p.URL)
	holder := connect(t, p.URL)
	exec(t, holder, "BEGIN")
	const n = 25
	for i := range n {
		exec(t, admin, fmt.Sprintf("CREATE TABLE t%d (n int)", i))
		exec(t, holder, fmt.Sprintf("LOCK TABLE t%d", i))
		waitFor(t, admin, p, fmt.Sprintf("app%d", i), fmt.Sprintf("SELECT * FROM t%d", i))
	}
	o := scrape(t, collect(t, postgres.Options{Config: target(p.URL)})).Scrape(enough)
	list := samplesOf(o.Text, "chronoops_postgres_lock_waiters")
	if len(list) != 21 || o.Sample(`chronoops_postgres_lock_waiters{datname="other",locktype="other",mode="other",relname="other"}`) != "5" {
		t.Errorf("%d series:\n%s", len(list), strings.Join(list, "\n"))
	}
}
