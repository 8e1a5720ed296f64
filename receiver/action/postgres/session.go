package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"golang.org/x/sync/errgroup"
)

// Deadlines of a repair session.
const (
	connectTimeout   = 5 * time.Second
	statementTimeout = 5 * time.Second
	checkEvery       = 15 * time.Second // between looks whether the session still lives
	endWithin        = 5 * time.Second  // for signalled sessions to be gone before the result is told
	maxBackoff       = 30 * time.Second
)

// session is the one connection to a target, used by one at a time.
type session struct {
	target string
	dsn    DSN
	log    *slog.Logger
	every  time.Duration // between looks whether the connection still lives
	turn   chan struct{} // holds one token; who has it owns conn
	conn   *pgx.Conn     // nil while there is none
}

func newSession(target string, dsn DSN, log *slog.Logger) *session {
	s := &session{target: target, dsn: dsn, log: log.With("target", target), every: checkEvery, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// Run keeps one session to each target open until ctx ends, and closes them.
func (t *TerminateIdle) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range t.sessions {
		g.Go(func() error { s.keep(ctx); return nil })
	}
	return g.Wait()
}

// keep connects, looks again and again whether the session lives, and connects anew with growing pauses.
func (s *session) keep(ctx context.Context) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = time.Second, maxBackoff
	held, trouble := false, ""
	for {
		err := s.use(ctx, func(ctx context.Context, conn *pgx.Conn) error { return conn.Ping(ctx) })
		pause := s.every
		switch {
		case ctx.Err() != nil:
			s.close()
			return
		case err != nil:
			pause = pauses.NextBackOff()
			if err.Error() != trouble { // said once, not at every try
				s.log.Warn("No PostgreSQL session for repairs; trying again until there is one", "err", err)
			}
			held, trouble = false, err.Error()
		case !held:
			pauses.Reset()
			s.log.Info("PostgreSQL session for repairs is open")
			held, trouble = true, ""
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// use calls f with the session, after connecting if there is none. An error of connecting is safe to retry.
func (s *session) use(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return &notSentError{context.Cause(ctx)}
	}
	defer func() { s.turn <- struct{}{} }()
	if err := ctx.Err(); err != nil {
		return &notSentError{err}
	}
	if s.conn != nil && s.conn.Ping(ctx) != nil { // ended by the server since it was last used
		_ = s.conn.Close(ctx)
		s.conn = nil
	}
	if s.conn == nil {
		conn, err := s.connect(ctx)
		if err != nil {
			return &notSentError{err}
		}
		s.conn = conn
	}
	return f(ctx, s.conn)
}

// close ends the session in the background of a shutdown, so the caller's context no longer counts.
func (s *session) close() {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx)
	s.conn = nil
}

func (s *session) connect(ctx context.Context) (*pgx.Conn, error) {
	dsn, err := s.dsn(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the connection string of target %s: %w", s.target, err)
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil { // its text may show a part of the password
		return nil, fmt.Errorf("the connection string of target %s cannot be parsed: want postgres://user:password@host:port/database or key=value pairs", s.target)
	}
	cfg.ConnectTimeout = connectTimeout
	cfg.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	cfg.RuntimeParams = map[string]string{ // options of the connection string, such as a search_path, do not count
		"application_name":              "chronoops-repair",
		"search_path":                   "pg_catalog",
		"default_transaction_read_only": "on",
		"statement_timeout":             strconv.FormatInt(statementTimeout.Milliseconds(), 10),
		"lock_timeout":                  "1000",
		"TimeZone":                      "UTC",
	}
	// Ask the server to cancel the statement on the server and keep the connection: there may be no second one to be had.
	cfg.BuildContextWatcherHandler = func(pc *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pc, DeadlineDelay: time.Second}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, redact(fmt.Errorf("connect to target %s: %w", s.target, err), cfg.Password)
	}
	return conn, nil
}

// redact hides a password that an error shows.
func redact(err error, password string) error {
	if password == "" || !strings.Contains(err.Error(), password) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), password, "<secret>"))
}

// notSentError is an error from before anything was sent.
type notSentError struct{ err error }

func (e *notSentError) Error() string     { return e.err.Error() }
func (e *notSentError) Unwrap() error     { return e.err }
func (e *notSentError) SafeToRetry() bool { return true }
