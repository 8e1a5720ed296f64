package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// qualifies is the condition on pg_stat_activity a and its role r that is asked when planning and again in the
// statement that terminates.
const qualifies = `a.backend_type = 'client backend'
	AND a.pid <> pg_backend_pid()
	AND a.application_name NOT LIKE 'chronoops%'
	AND NOT r.rolsuper AND NOT r.rolreplication
	AND a.state = ANY (@states::text[])
	AND a.state_change < clock_timestamp() - make_interval(secs => @older_than::float8)
	AND (@databases::text[] IS NULL OR a.datname = ANY (@databases::text[]))
	AND (@users::text[] IS NULL OR a.usename = ANY (@users::text[]))
	AND (@apps::text[] IS NULL OR a.application_name = ANY (@apps::text[]))`

// idleSession is what a plan shows of a session.
type idleSession struct {
	backend
	user, database, app, state string
	age                        time.Duration
	matching                   int // sessions that qualify, beyond max too
}

// mayAct returns an error with the missing grant; without pg_read_all_stats other roles' states cannot be seen.
func mayAct(ctx context.Context, conn *pgx.Conn) error {
	var role string
	var signal, stats bool
	err := conn.QueryRow(ctx, `SELECT current_user, pg_has_role('pg_signal_backend', 'USAGE'), pg_has_role('pg_read_all_stats', 'USAGE')`).
		Scan(&role, &signal, &stats)
	switch {
	case err != nil:
		return fmt.Errorf("look at own privileges: %w", err)
	case !signal:
		return fmt.Errorf("role %q may not end sessions: GRANT pg_signal_backend TO %q", role, role)
	case !stats:
		return fmt.Errorf("role %q may not see the state of others' sessions: GRANT pg_read_all_stats TO %q", role, role)
	}
	return nil
}

func listIdle(ctx context.Context, conn *pgx.Conn, r request) ([]idleSession, error) {
	const query = `SELECT a.pid, a.backend_start, a.usename::text, coalesce(a.datname, '')::text, a.application_name, a.state,
		extract(epoch FROM clock_timestamp() - a.state_change)::float8, count(*) OVER ()
	FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
	WHERE ` + qualifies + `
	ORDER BY a.state_change, a.pid LIMIT @max`
	rows, err := conn.Query(ctx, query, r.args())
	if err != nil {
		return nil, fmt.Errorf("list idle sessions: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s idleSession, err error) {
		var seconds float64
		err = row.Scan(&s.PID, &s.Start, &s.user, &s.database, &s.app, &s.state, &seconds, &s.matching)
		s.Start = s.Start.UTC()
		s.age = time.Duration(seconds * float64(time.Second))
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("list idle sessions: %w", err)
	}
	return found, nil
}

// terminated counts the outcome of one statement.
type terminated struct {
	sessions []backend // that were sent the signal
	gone     int       // before the signal
	ending   int       // signalled and still there after a while
}

func terminate(ctx context.Context, conn *pgx.Conn, r request, sessions []backend) (done terminated, err error) {
	// MATERIALIZED: the function may be called for no row that the condition has not let pass.
	const query = `WITH planned AS (SELECT * FROM unnest(@pids::int4[], @starts::timestamptz[]) AS p (pid, backend_start)),
	still AS MATERIALIZED (
		SELECT a.pid, a.backend_start FROM pg_stat_activity a
		JOIN planned p ON p.pid = a.pid AND p.backend_start = a.backend_start
		JOIN pg_roles r ON r.oid = a.usesysid
		WHERE ` + qualifies + `
		ORDER BY a.state_change, a.pid LIMIT @max)
	SELECT pid, backend_start, pg_terminate_backend(pid) FROM still`
	args := r.args()
	args["pids"], args["starts"] = split(sessions)
	rows, err := conn.Query(ctx, query, args)
	if err != nil {
		return done, fmt.Errorf("terminate sessions: %w", err)
	}
	var b backend
	var ok bool
	_, err = pgx.ForEachRow(rows, []any{&b.PID, &b.Start, &ok}, func() error {
		if ok {
			done.sessions = append(done.sessions, b)
		} else {
			done.gone++
		}
		return nil
	})
	if err != nil {
		return done, fmt.Errorf("terminate sessions: %w", err)
	}
	return done, nil
}

// awaitEnd waits a little until the signalled sessions are gone and returns how many are not: a backend may be in a
// system call. pg_terminate_backend has a timeout of its own since PostgreSQL 14 only.
func awaitEnd(ctx context.Context, conn *pgx.Conn, sessions []backend) int {
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	left := len(sessions)
	for pause := 5 * time.Millisecond; left > 0; pause = min(2*pause, 200*time.Millisecond) {
		n, err := countThere(ctx, conn, sessions)
		if err != nil {
			return left
		}
		if left = n; left == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return left
		case <-time.After(pause):
		}
	}
	return left
}

// connections returns client connections in use and those that ordinary roles may have.
func connections(ctx context.Context, conn *pgx.Conn) (used, limit int, err error) {
	// reserved_connections exists since PostgreSQL 16. Without pg_read_all_stats backend_type of others is NULL.
	err = conn.QueryRow(ctx, `SELECT count(*) FILTER (WHERE backend_type = 'client backend' OR backend_type IS NULL),
		current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
			- coalesce(current_setting('reserved_connections', true), '0')::int
	FROM pg_stat_activity`).Scan(&used, &limit)
	if err != nil {
		return 0, 0, fmt.Errorf("count connections: %w", err)
	}
	if limit <= 0 {
		return 0, 0, errors.New("all connections are reserved: max_connections is too small")
	}
	return used, limit, nil
}

func countThere(ctx context.Context, conn *pgx.Conn, sessions []backend) (n int, err error) {
	pids, starts := split(sessions)
	err = conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity a
		JOIN unnest($1::int4[], $2::timestamptz[]) AS p (pid, backend_start) USING (pid, backend_start)`, pids, starts).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("look for planned sessions: %w", err)
	}
	return n, nil
}

func split(sessions []backend) (pids []int32, starts []time.Time) {
	for _, s := range sessions {
		pids, starts = append(pids, s.PID), append(starts, s.Start)
	}
	return pids, starts
}

// unsent tells whether the server has certainly not begun the statement.
func unsent(err error) bool { return pgconn.SafeToRetry(err) }
