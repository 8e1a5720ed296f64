package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The roles in PostgreSQL. Reading and repairing have just the rights that they need.
const (
	reader   = "chronoops_read"
	repairer = "chronoops_repair"
	customer = "shop"
)

func createRoles(ctx context.Context, url string) error {
	return asSuperuser(ctx, url, func(conn *pgx.Conn) error {
		for _, statement := range []string{
			"CREATE ROLE " + reader + " LOGIN IN ROLE pg_monitor",
			"CREATE ROLE " + repairer + " LOGIN IN ROLE pg_signal_backend, pg_read_all_stats",
			"CREATE ROLE " + customer + " LOGIN",
		} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// asSuperuser uses one of the connections that are kept for superusers, and only for as long as fn takes.
func asSuperuser(ctx context.Context, url string, fn func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return fn(conn)
}

// role is the address of PostgreSQL for one role.
func (w *world) role(name string) string {
	return strings.Replace(w.postgres.URL, "//postgres@", "//"+name+"@", 1)
}

// count counts the sessions of a role.
func (w *world) count(ctx context.Context, role string) (n int, err error) {
	err = asSuperuser(ctx, w.postgres.URL, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE usename = $1", role).Scan(&n)
	})
	return n, err
}

// idleSessions are connections that nobody uses or closes.
type idleSessions []*pgx.Conn

// exhaust connects until PostgreSQL refuses.
func (w *world) exhaust(ctx context.Context) (idle idleSessions, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for range 100 {
		conn, err := pgx.Connect(ctx, w.role(customer))
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok && strings.HasPrefix(refused.Code, "53") {
			return idle, nil
		}
		if err != nil {
			idle.close()
			return nil, fmt.Errorf("connect as %s: %w", customer, err)
		}
		idle = append(idle, conn)
	}
	idle.close()
	return nil, errors.New("PostgreSQL took 100 connections and refused none")
}

func (s idleSessions) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, conn := range s {
		_ = conn.Close(ctx)
	}
}
