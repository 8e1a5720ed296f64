package postgres

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/action/actiontest"
	"github.com/chronoops/chronoops/tools/stack"
)

const password = "hunter2-not-to-be-shown"

// server is shared by the tests, each of which uses a database of its own.
var server *stack.Postgres

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		server, err = stack.StartPostgres(context.Background(), stack.PostgresOptions{
			Settings: map[string]string{"max_connections": "14", "superuser_reserved_connections": "3"},
		})
		if err != nil {
			log.Print(err)
			return 1
		}
		defer server.Stop()
		return m.Run()
	}())
}

// bed is one database with the roles that the tests use.
type bed struct {
	t     testing.TB
	admin *pgx.Conn
	db    string
}

var beds int

func newBed(t testing.TB) *bed {
	t.Helper()
	beds++
	b := &bed{t: t, db: fmt.Sprintf("shop%d", beds)}
	b.admin = b.connect("postgres", "postgres", "psql")
	b.exec(`CREATE DATABASE ` + b.db)
	for _, role := range []string{"app LOGIN", "other LOGIN", "walker LOGIN REPLICATION", "repair LOGIN IN ROLE pg_signal_backend, pg_monitor", "weak LOGIN", "half LOGIN IN ROLE pg_signal_backend"} {
		name, _, _ := strings.Cut(role, " ")
		b.exec(fmt.Sprintf(`DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '%s') THEN CREATE ROLE %s; END IF; END $$`, name, role))
	}
	return b
}

func (b *bed) dsn(user, db, app string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable&application_name=%s", user, password, server.Port, db, app)
}

func (b *bed) connect(user, db, app string) *pgx.Conn {
	b.t.Helper()
	conn, err := pgx.Connect(context.Background(), b.dsn(user, db, app))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// client opens a session of the test's database and leaves it idle after the statements.
func (b *bed) client(user, app string, statements ...string) *pgx.Conn {
	b.t.Helper()
	conn := b.connect(user, b.db, app)
	for _, s := range append([]string{"SELECT 1"}, statements...) {
		_, err := conn.Exec(context.Background(), s)
		if err != nil && !strings.Contains(err.Error(), "division by zero") {
			b.t.Fatal(err)
		}
	}
	// older_than of these tests is 10 ms by the server's clock.
	b.exec("SELECT pg_sleep(0.02)")
	return conn
}

func (b *bed) exec(sql string) {
	b.t.Helper()
	if _, err := b.admin.Exec(context.Background(), sql); err != nil {
		b.t.Fatal(err)
	}
}

// apps lists the application names of the sessions of the test's database.
func (b *bed) apps() string {
	b.t.Helper()
	var s string
	err := b.admin.QueryRow(context.Background(), `SELECT coalesce(string_agg(application_name || '/' || pid, ' ' ORDER BY application_name, pid), '')
		FROM pg_stat_activity WHERE datname = $1`, b.db).Scan(&s)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bed) action(user string) *TerminateIdle {
	t := New(Options{Targets: map[string]DSN{"main": func(context.Context) (string, error) {
		return b.dsn(user, "postgres", "misleading&search_path=public"), nil
	}}})
	b.t.Cleanup(t.sessions["main"].close)
	return t
}

func (b *bed) with(more ...any) map[string]any {
	w := map[string]any{"target": "main", "older_than": "10ms", "databases": []any{b.db}}
	for i := 0; i < len(more); i += 2 {
		w[more[i].(string)] = more[i+1]
	}
	return w
}

func params(t testing.TB, a *TerminateIdle, w map[string]any) action.Params {
	t.Helper()
	p, err := a.Spec().Resolve(w, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustPlan(t testing.TB, a *TerminateIdle, w map[string]any) receiver.Plan {
	t.Helper()
	plan, err := a.Plan(t.Context(), params(t, a, w))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestConformance(t *testing.T) {
	actiontest.Suite{
		Secrets: []string{password},
		New: func(t *testing.T) actiontest.Bench {
			b := newBed(t)
			b.client("app", "web")
			b.client("app", "web")
			return actiontest.Bench{Action: b.action("repair"), With: b.with(), State: func(testing.TB) string { return b.apps() }}
		},
		Hung: func(t *testing.T) actiontest.Bench {
			l, err := net.Listen("tcp", "127.0.0.1:0") // connections wait in its queue for ever
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return unreachable(fmt.Sprintf("postgres://app:%s@%s/shop?sslmode=disable", password, l.Addr()), nil)
		},
		Broken: func(t *testing.T) actiontest.Bench {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() // so that nobody listens
			return unreachable(fmt.Sprintf("postgres://app:%s@%s/shop?sslmode=disable", password, l.Addr()), nil)
		},
		Refused: map[string]actiontest.Refusal{
			"no target":       {Change: map[string]any{"target": nil}, Want: `"target" is missing`},
			"unknown target":  {Change: map[string]any{"target": "other"}, Want: `target "other" is not configured: want one of main`},
			"label as target": {Change: map[string]any{"target": "{{ .Labels.db }}"}, Want: "templates are not allowed"},
			"no age":          {Change: map[string]any{"older_than": nil}, Want: `"older_than" is missing`},
			"zero age":        {Change: map[string]any{"older_than": "0s"}, Want: "above zero"},
			"active":          {Change: map[string]any{"states": "active"}, Want: `"active" does not match`},
			"no filter":       {Change: map[string]any{"databases": nil}, Want: "unfiltered: true"},
			"filter or not":   {Change: map[string]any{"unfiltered": true}, Want: "contradicts the filters"},
			"empty filter":    {Change: map[string]any{"users": []any{}}, Want: "the list is empty"},
			"no maximum":      {Change: map[string]any{"max": 0}, Want: "not between 1 and 1000"},
			"bad share":       {Change: map[string]any{"verify_below": 80}, Want: "at most 1"},
		},
	}.Run(t)
}

func unreachable(dsn string, err error) actiontest.Bench {
	a := New(Options{Targets: map[string]DSN{"main": func(context.Context) (string, error) { return dsn, err }}})
	return actiontest.Bench{Action: a, With: map[string]any{"target": "main", "older_than": "1m", "unfiltered": true}}
}

func TestConnectErrorsShowNoSecret(t *testing.T) {
	for name, bench := range map[string]actiontest.Bench{
		"malformed":      unreachable("postgres://app:"+password+"@:x:y/shop", nil),
		"half a pair":    unreachable("host=127.0.0.1 password='"+password, nil),
		"refused":        unreachable("postgres://app:"+password+"@127.0.0.1:1/"+password+"?sslmode=disable", nil),
		"no such secret": unreachable("", errors.New("open /run/secrets/pg: no such file")),
	} {
		_, err := bench.Action.Plan(t.Context(), params(t, bench.Action.(*TerminateIdle), bench.With))
		if err == nil || strings.Contains(err.Error(), password) || !strings.Contains(err.Error(), "target main") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPlanListsWhatQualifies(t *testing.T) {
	b := newBed(t)
	idle := b.client("app", "web")
	b.client("app", "broken", "BEGIN", "SELECT 1/0")
	b.client("app", "busy", "BEGIN")
	b.client("other", "batch")
	b.client("postgres", "superuser")
	b.client("walker", "replica")
	b.client("app", "chronoops-exporter")
	b.connect("other", "postgres", "elsewhere")
	a := b.action("repair")

	names := func(plan receiver.Plan) string {
		var apps []string
		for _, s := range plan.Steps {
			_, rest, _ := strings.Cut(s, `application "`)
			app, _, _ := strings.Cut(rest, `"`)
			apps = append(apps, app)
		}
		return strings.Join(apps, " ")
	}
	for _, tc := range []struct{ with, want any }{
		{b.with(), "web broken batch"},
		{b.with("states", "idle in transaction"), "busy"},
		{b.with("states", "idle"), "web batch"},
		{b.with("users", "other"), "batch"},
		{b.with("application_names", []any{"web", "batch"}, "users", []any{"app"}), "web"},
		{b.with("max", 1), "web"},
		{b.with("application_names", `web' OR true --`), ""},
		{b.with("databases", "no such database"), ""},
		{b.with("older_than", "1h"), ""},
	} {
		plan, err := a.Plan(t.Context(), params(t, a, tc.with.(map[string]any)))
		if tc.want == "" {
			if !errors.Is(err, action.ErrNothingToDo) {
				t.Errorf("%v: %v, want nothing to do", tc.with, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", tc.with, err)
		} else if got := names(plan); got != tc.want {
			t.Errorf("%v: planned %q, want %q", tc.with, got, tc.want)
		}
	}
	plan := mustPlan(t, a, b.with("max", 1))
	if want := "terminate 1 of 3 sessions of main that are idle or idle in transaction (aborted) for 10ms"; plan.Summary != want {
		t.Errorf("summary %q, want %q", plan.Summary, want)
	}
	if want := fmt.Sprintf("terminate pid %d: app@%s, application \"web\", idle for ", idle.PgConn().PID(), b.db); !strings.HasPrefix(plan.Steps[0], want) {
		t.Errorf("step %q does not begin with %q", plan.Steps[0], want)
	}
}

// TestApplyAsksAgain changes each planned session but one, so that only that one qualifies when it comes to it.
func TestApplyAsksAgain(t *testing.T) {
	b := newBed(t)
	idle := b.client("app", "idle")
	active, gone, inTransaction := b.client("app", "active"), b.client("app", "gone"), b.client("app", "transaction")
	a := b.action("repair")
	plan := mustPlan(t, a, b.with())
	if len(plan.Steps) != 4 {
		t.Fatalf("steps %q", plan.Steps)
	}
	ctx := t.Context()
	ended := make(chan error, 1)
	go func() { _, err := active.Exec(ctx, "SELECT pg_sleep(1000)"); ended <- err }()
	gone.Close(ctx)
	if _, err := inTransaction.Exec(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	b.client("app", "new")
	for { // until the server shows all of it
		var n int
		err := b.admin.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = $1
			AND (application_name = 'active' AND state = 'active' OR application_name = 'gone')`, b.db).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 && !strings.Contains(b.apps(), "gone") {
			break
		}
	}
	res, err := a.Apply(ctx, plan)
	if err != nil {
		t.Fatal(err)
	}
	want := action.Result{
		Summary: "terminated 1 of 4 planned sessions of main",
		Details: []string{fmt.Sprintf("terminated pid %d", idle.PgConn().PID())},
	}
	if d := cmp.Diff(want, res); d != "" {
		t.Error(d)
	}
	var left []string
	for app := range strings.FieldsSeq(b.apps()) {
		name, _, _ := strings.Cut(app, "/")
		left = append(left, name)
	}
	if d := cmp.Diff([]string{"active", "new", "transaction"}, left); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	if e, err := a.Inspect(ctx, plan); e != action.EffectUnknown || err != nil {
		t.Errorf("inspect with some of the planned sessions left: %v, %v", e, err)
	}
	// A process number that is used again is another session.
	data := []byte(fmt.Sprintf(`{"sessions":[{"pid":%d,"backend_start":"2020-01-01T00:00:00Z"}]}`, b.client("app", "reused").PgConn().PID()))
	plan.Data = data
	if _, err := a.Apply(ctx, plan); !errors.Is(err, action.ErrNotApplied) {
		t.Errorf("apply to a process number used again: %v", err)
	}
	b.exec(fmt.Sprintf("SELECT pg_cancel_backend(%d)", active.PgConn().PID()))
	<-ended
}

func TestWorksWhenNoConnectionIsLeft(t *testing.T) {
	b := newBed(t)
	a := b.action("repair")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	waitFor(t, func() bool { return b.repairPID() != 0 })

	var err error
	for err == nil {
		var conn *pgx.Conn
		if conn, err = pgx.Connect(ctx, b.dsn("app", b.db, "leak")); err == nil {
			t.Cleanup(func() { conn.Close(context.Background()) })
			_, err = conn.Exec(ctx, "SELECT 1")
		}
	}
	if !strings.Contains(err.Error(), "53300") {
		t.Fatalf("connections are not exhausted: %v", err)
	}
	b.exec("SELECT pg_sleep(0.02)")
	plan := mustPlan(t, a, b.with("max", 5))
	if err := a.Verify(ctx, plan); err == nil || errors.Is(err, action.ErrUnknown) || !strings.Contains(err.Error(), "want less than 80%") {
		t.Errorf("verify while connections are exhausted: %v", err)
	}
	if _, err := a.Apply(ctx, plan); err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(ctx, plan); err != nil {
		t.Errorf("verify: %v", err)
	}
	b.client("app", "web")
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool { return b.repairPID() == 0 })
}

func TestSessionComesBack(t *testing.T) {
	b := newBed(t)
	a := b.action("repair")
	a.sessions["main"].every = time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	var first int
	waitFor(t, func() bool { first = b.repairPID(); return first != 0 })
	b.exec(fmt.Sprintf("SELECT pg_terminate_backend(%d)", first))
	waitFor(t, func() bool { pid := b.repairPID(); return pid != 0 && pid != first })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	// Without Run a session that was ended is replaced when it is needed.
	b.client("app", "web")
	mustPlan(t, a, b.with())
	b.exec(fmt.Sprintf("SELECT pg_terminate_backend(%d)", b.repairPID()))
	waitFor(t, func() bool { return b.repairPID() == 0 })
	mustPlan(t, a, b.with())
}

// TestCancelKeepsSession holds that a cancelled look does not cost the connection that may be the last.
func TestCancelKeepsSession(t *testing.T) {
	b := newBed(t)
	a := b.action("repair")
	b.client("app", "web")
	mustPlan(t, a, b.with())
	before := b.repairPID()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := a.sessions["main"].use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT pg_sleep(4)")
		return err
	})
	if err == nil || ctx.Err() == nil {
		t.Fatalf("cancelled: %v, %v", err, ctx.Err())
	}
	mustPlan(t, a, b.with())
	if after := b.repairPID(); after != before {
		t.Errorf("session %d was replaced by %d", before, after)
	}
}

func TestSessionSettings(t *testing.T) {
	b := newBed(t)
	err := b.action("repair").sessions["main"].use(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		got := map[string]string{}
		for _, name := range []string{"search_path", "application_name", "statement_timeout", "lock_timeout", "transaction_read_only"} {
			var v string
			if err := conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&v); err != nil {
				return err
			}
			got[name] = v
		}
		want := map[string]string{
			"search_path": "pg_catalog", "application_name": "chronoops-repair", "statement_timeout": "5s", "lock_timeout": "1s", "transaction_read_only": "on",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMissingGrantsAreNamed(t *testing.T) {
	b := newBed(t)
	b.client("app", "web")
	plan := mustPlan(t, b.action("repair"), b.with())
	for role, want := range map[string]string{
		"weak": `GRANT pg_signal_backend TO "weak"`, "half": `GRANT pg_read_all_stats TO "half"`,
	} {
		a := b.action(role)
		if _, err := a.Plan(t.Context(), params(t, a, b.with())); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: plan: %v, want %s", role, err, want)
		}
		if _, err := a.Apply(t.Context(), plan); !errors.Is(err, action.ErrNotApplied) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: apply: %v, want %s", role, err, want)
		}
	}
}

// repairPID returns the process of the session for repairs, or 0.
func (b *bed) repairPID() (pid int) {
	b.t.Helper()
	err := b.admin.QueryRow(context.Background(), `SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE application_name = 'chronoops-repair'`).Scan(&pid)
	if err != nil {
		b.t.Fatal(err)
	}
	return pid
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("did not happen within a minute")
		}
	}
}
