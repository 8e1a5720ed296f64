package postgres_test

import (
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/chronoops/chronoops/collector/collectortest"
)

// TestReasons plays a server that refuses the session with each of PostgreSQL's errors.
func TestReasons(t *testing.T) {
	for _, test := range []struct{ code, message, want string }{
		{"28P01", `password authentication failed for user "app"`, "wrong_credentials"},
		{"28000", `no pg_hba.conf entry for host "10.0.0.1"`, "wrong_credentials"},
		{"53300", "sorry, too many clients already", "too_many_connections"},
		{"53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute", "too_many_connections"},
		{"53300", `too many connections for role "app"`, "too_many_connections"},
		{"57P03", "the database system is starting up", "starting_up"},
		{"57P03", "the database system is in recovery mode", "starting_up"},
		{"57P03", "the database system is not yet accepting connections", "starting_up"},
		{"57P03", "the database system is not accepting connections", "starting_up"}, // hot_standby is off
		{"57P03", "the database system is shutting down", "shutting_down"},
		{"57P01", "terminating connection due to administrator command", "shutting_down"},
		{"57P02", "terminating connection because of crash of another server process", "shutting_down"},
		{"3D000", `database "shop" does not exist`, "no_database"},
		{"57P04", `database "shop" was dropped`, "no_database"},
		{"42501", `permission denied for database "shop"`, "permission"},
		{"XX000", "something else", "error"},
	} {
		addr := collectortest.Listen(t, func(conn net.Conn) {
			backend := pgproto3.NewBackend(conn, conn)
			if _, err := backend.ReceiveStartupMessage(); err != nil {
				return
			}
			backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: test.code, Message: test.message})
			_ = backend.Flush()
		})
		s := scraper(t, "postgres://app@"+addr+"/shop?sslmode=disable")
		for range 2 {
			wantDown(t, s.Scrape(enough), test.want)
		}
		if log := s.Log(); len(log) != 1 || !strings.Contains(log[0], test.code) {
			t.Errorf("%s: log = %q, want one line", test.code, log)
		}
	}
}
