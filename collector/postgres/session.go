package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	applicationName = "chronoops"

	// lockTimeout keeps a scrape from queueing behind a lock, where it would hold up everybody after it. It is less where
	// so many queries, each waiting for a lock on a catalog, would take more than half of the time there is.
	lockTimeout      = 250 * time.Millisecond
	leastLockTimeout = 10 * time.Millisecond
	// idleTimeout ends our session's transaction should the program stop in the middle of one.
	idleTimeout = 10 * time.Second
	// oldest is the first major version whose views are the ones we read.
	oldest = 13
)

// initSQL bounds what the session may do. It is SET and not startup parameters, because pg_settings then still tells,
// in reset_val, what the server gives to everybody else.
var initSQL = fmt.Sprintf(`SELECT set_config('search_path', 'pg_catalog, pg_temp', false),
	set_config('default_transaction_read_only', 'on', false),
	set_config('lock_timeout', '%d', false),
	set_config('idle_in_transaction_session_timeout', '%d', false)`, lockTimeout.Milliseconds(), idleTimeout.Milliseconds())

// serverSQL opens every scrape: it hands the scrape's deadline to the server and tells whom we talk to.
const serverSQL = `SELECT set_config('statement_timeout', $1, false), version(),
	pg_has_role('pg_read_all_stats', 'USAGE')::text, set_config('lock_timeout', $2, false)`

// serverQuery bounds the n queries of a scrape that has so much time left.
func serverQuery(left time.Duration, n int) query {
	lock := min(max(left/2/time.Duration(max(n, 1)), leastLockTimeout), lockTimeout)
	return query{name: "server", sql: serverSQL, params: [][]byte{statementTimeout(left), milliseconds(lock)}}
}

// timeoutQuery bounds the queries after it.
func timeoutQuery(d time.Duration) query {
	return query{name: "timeout", sql: "SELECT set_config('statement_timeout', $1, false)", params: [][]byte{milliseconds(d)}}
}

// statementTimeout leaves a fifth of the time to the queries after one that runs into it. In milliseconds.
func statementTimeout(left time.Duration) []byte { return milliseconds(left * 4 / 5) }

func milliseconds(d time.Duration) []byte {
	return strconv.AppendInt(nil, max(d.Milliseconds(), 1), 10)
}

// session is one connection and the statements prepared on it.
type session struct {
	conn       *pgconn.PgConn
	server     string // host:port
	major      int
	statements map[string]*pgconn.StatementDescription
	extensions map[string]extension
}

// lostError means that the connection is gone or cannot be used any more.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

func dial(ctx context.Context, cfg *pgconn.Config) (*session, error) {
	// A peer that vanished without a word is noticed between two scrapes.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	cfg.DialFunc = dialer.DialContext
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &session{
		conn: conn, server: net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))),
		statements: make(map[string]*pgconn.StatementDescription), extensions: make(map[string]extension),
	}
	if strings.HasPrefix(cfg.Host, "/") {
		s.server = cfg.Host + ":" + strconv.Itoa(int(cfg.Port))
	}
	version := conn.ParameterStatus("server_version")
	if s.major, err = majorVersion(version); err != nil || s.major < oldest {
		s.close()
		return nil, fmt.Errorf("server version %q is not supported: PostgreSQL %d or later is needed", version, oldest)
	}
	if err := s.prepare(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// prepare bounds the session and looks for extensions, in one round trip.
func (s *session) prepare(ctx context.Context) error {
	run, err := s.send(ctx, []query{{name: "bounds", sql: initSQL}, extensionsQuery})
	if err != nil {
		return err
	}
	defer run.end()
	if err := run.read("bounds", nil); err != nil {
		return fmt.Errorf("bound the session: %w", err)
	}
	// A locked catalog is no reason to do without the session: the views that need an extension ask again.
	err = run.read(extensionsQuery.name, s.learnExtension)
	if _, lost := errors.AsType[*lostError](err); lost {
		return err
	}
	return nil
}

// majorVersion reads server_version: "15.18 (Debian 15.18-0+deb12u1)" is 15, "18beta1" is 18.
func majorVersion(s string) (int, error) {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	return strconv.Atoi(s[:end])
}

// close ends the session in good order, or tears it down where the server does not answer. The returned channel is
// closed once nothing is left of it, on the server neither if that answers.
func (s *session) close() <-chan struct{} {
	const patience = time.Second
	if hijacked, err := s.conn.Hijack(); err == nil { // It is idle.
		done := make(chan struct{})
		defer close(done)
		defer hijacked.Conn.Close()
		if hijacked.Conn.SetDeadline(time.Now().Add(patience)) != nil {
			return done
		}
		hijacked.Frontend.Send(&pgproto3.Terminate{})
		if hijacked.Frontend.Flush() == nil {
			_, _ = io.Copy(io.Discard, hijacked.Conn) // The server closes its end when the session is gone.
		}
		return done
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = s.conn.Close(ctx) // There is nobody to tell, and nothing to do about it.
	return s.conn.CleanupDone()
}

func (s *session) lost() bool { return s.conn.IsClosed() }

// query is one statement of a scrape.
type query struct {
	name   string // of the prepared statement
	sql    string
	params [][]byte
}

// send starts one round trip with all queries. Each has a sync of its own, so that one that fails leaves the others be.
func (s *session) send(ctx context.Context, queries []query) (*scrape, error) {
	p := s.conn.StartPipeline(ctx)
	run := &scrape{session: s, pipeline: p}
	for _, q := range queries {
		if sd, ok := s.statements[q.name]; ok {
			p.SendQueryStatement(sd, q.params, nil, nil)
		} else {
			p.SendPrepare(q.name, q.sql, nil)
			p.SendQueryPrepared(q.name, q.params, nil, nil)
		}
		p.SendPipelineSync()
	}
	if err := p.Flush(); err != nil {
		run.end()
		return nil, &lostError{err}
	}
	return run, nil
}

var versionNumber = regexp.MustCompile(`^\S+ (\d+(?:\.\d+)*)`)

// shortVersion gives "PostgreSQL 15.18 (Debian …) on …" as "15.18.0".
func shortVersion(version string) string {
	m := versionNumber.FindStringSubmatch(version)
	if m == nil {
		return ""
	}
	n := strings.Split(m[1], ".")
	for len(n) < 3 {
		n = append(n, "0")
	}
	return strings.Join(n[:3], ".")
}
