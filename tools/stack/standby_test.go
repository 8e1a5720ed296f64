package stack_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
	"github.com/chronoops/chronoops/tools/stack/stacktest"
)

func standby(t *testing.T, primary *stack.Postgres, o stack.StandbyOptions) *stack.Postgres {
	t.Helper()
	s, err := stack.StartStandby(t.Context(), primary, o)
	return stacktest.Run(t, s, err)
}

func TestStandby(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]stack.PostgresOptions{
		"default": {Settings: map[string]string{"wal_level": "logical"}},
		"oldest":  {Major: parts.EverydayPostgres()[0], Password: `a 'quoted\ word`},
		"newest":  {Major: parts.EverydayPostgres()[1], TLS: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := postgres(t, o)
			// A file that is copied while it changes is mended from the log.
			if err := primary.Exec(t.Context(), "postgres", "CREATE TABLE t (n int)", "INSERT INTO t SELECT generate_series(1, 5000)"); err != nil {
				t.Fatal(err)
			}
			s := standby(t, primary, stack.StandbyOptions{Slot: "second"})
			if got := ask(t, s.URL, "pg_is_in_recovery()"); got != "true" {
				t.Errorf("in recovery: %s", got)
			}
			if err := primary.Exec(t.Context(), "postgres", "INSERT INTO t VALUES (1)"); err != nil {
				t.Fatal(err)
			}
			rows := func() error {
				if got := ask(t, s.URL, "SELECT count(*) FROM t"); got != "5001" {
					return fmt.Errorf("the standby has %s rows, want 5001", got)
				}
				return nil
			}
			eventually(t, rows)
			const slot = "SELECT format('%s %s %s', slot_name, slot_type, active) FROM pg_replication_slots"
			if diff := cmp.Diff("second physical t", ask(t, primary.URL, slot)); diff != "" {
				t.Error(diff)
			}
			// Both come back and find each other again.
			for _, server := range []*stack.Postgres{s, primary} {
				if err := server.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := primary.Exec(t.Context(), "postgres", "DELETE FROM t WHERE n > 5000 OR ctid = '(0,1)'", "INSERT INTO t VALUES (2)"); err != nil {
				t.Fatal(err)
			}
			eventually(t, rows)
		})
	}
}

func TestStandbyThatAdmitsNobody(t *testing.T) {
	t.Parallel()
	primary := postgres(t, stack.PostgresOptions{})
	s := standby(t, primary, stack.StandbyOptions{Settings: map[string]string{"hot_standby": "off"}})
	const cannotConnectNow = "57P03"
	_, err := pgx.Connect(t.Context(), s.URL)
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != cannotConnectNow {
		t.Errorf("got %v, want code %s", err, cannotConnectNow)
	}
}
