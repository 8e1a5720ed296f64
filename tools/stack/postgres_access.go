package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// writeAccess writes who may connect and how, and with TLS the certificate, into dir.
func (p *Postgres) writeAccess(dir string) error {
	kind, method := "host", "trust"
	if p.options.TLS {
		kind = "hostssl"
		cert, key, err := selfSigned()
		if err != nil {
			return err
		}
		p.CA = filepath.Join(dir, certFile)
		for path, text := range map[string]string{p.CA: cert, filepath.Join(dir, keyFile): key} {
			if err := writeFor(p.credential, path, text); err != nil {
				return err
			}
		}
	}
	if p.options.Password != "" {
		method = "scram-sha-256"
	}
	rules := fmt.Sprintf("local all all %[2]s\n%[1]s all all 127.0.0.1/32 %[2]s\n%[1]s replication all 127.0.0.1/32 %[2]s\n", kind, method)
	return writeFor(p.credential, filepath.Join(p.Dir, "pg_hba.conf"), rules)
}

// Exec runs statements one by one, as superuser in one session.
func (p *Postgres) Exec(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, p.As("postgres", database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// CreateRole creates a role that may log in and is a member of exactly the roles named, e.g. pg_monitor, and returns its
// URL of database postgres.
func (p *Postgres) CreateRole(ctx context.Context, name string, memberOf ...string) (string, error) {
	sql := "CREATE ROLE " + pgx.Identifier{name}.Sanitize() + " LOGIN"
	if p.options.Password != "" {
		sql += " PASSWORD '" + strings.ReplaceAll(p.options.Password, "'", "''") + "'"
	}
	if len(memberOf) > 0 {
		sql += " IN ROLE " + strings.Join(memberOf, ", ")
	}
	if err := p.Exec(ctx, "postgres", sql); err != nil {
		return "", fmt.Errorf("create role %s: %w", name, err)
	}
	return p.As(name, "postgres"), nil
}
