package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// StandbyOptions change how a standby is started.
type StandbyOptions struct {
	Port     int               // 0: a free one
	Slot     string            // the physical slot on the primary, created if need be; empty: standby
	Settings map[string]string // over the primary's
}

// StartStandby copies a running primary and starts a hot standby of it, which streams through a physical slot. It returns
// once the primary sees the standby stream.
func StartStandby(ctx context.Context, primary *Postgres, o StandbyOptions) (*Postgres, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	slot := o.Slot
	if slot == "" {
		slot = "standby"
	}
	settings := map[string]string{
		"primary_conninfo":  primary.conninfo("postgres", slot),
		"primary_slot_name": slot,
		// How soon it looks again for a primary that was gone.
		"wal_retrieve_retry_interval": "200ms",
	}
	maps.Copy(settings, primary.options.Settings)
	maps.Copy(settings, o.Settings)
	options := primary.options
	options.Port, options.Settings = o.Port, settings
	s, err := startPostgres(ctx, primary.programs, options, func(ctx context.Context, p *Postgres) error {
		return primary.backup(ctx, p, slot)
	})
	if err != nil {
		return nil, err
	}
	if err := primary.awaitStreaming(ctx, slot); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// conninfo says how a program of PostgreSQL's own connects.
func (p *Postgres) conninfo(role, application string) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	words := []string{"host=127.0.0.1", fmt.Sprintf("port=%d", p.Port), "user=" + role, "application_name=" + application}
	if p.options.Password != "" {
		words = append(words, "password='"+quote.Replace(p.options.Password)+"'")
	}
	if p.options.TLS {
		words = append(words, "sslmode=verify-full", "sslrootcert='"+quote.Replace(p.CA)+"'")
	}
	return strings.Join(words, " ")
}

// backup copies the running server's files to the standby's data directory, as pg_basebackup does, which the packages
// of most versions lack. The slot keeps the log that the standby needs from then on.
func (p *Postgres) backup(ctx context.Context, standby *Postgres, slot string) error {
	conn, err := pgx.Connect(ctx, p.URL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const create = `SELECT pg_create_physical_replication_slot($1, true)
		WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)`
	if _, err := conn.Exec(ctx, create, slot); err != nil {
		return fmt.Errorf("create slot %s: %w", slot, err)
	}
	major, err := p.Major()
	if err != nil {
		return err
	}
	begin, end := "SELECT pg_backup_start('standby', true)", "SELECT labelfile FROM pg_backup_stop(false)"
	if major < 15 {
		begin, end = "SELECT pg_start_backup('standby', true, false)", "SELECT labelfile FROM pg_stop_backup(false, false)"
	}
	if _, err := conn.Exec(ctx, begin); err != nil {
		return fmt.Errorf("begin a backup: %w", err)
	}
	if err := copyCluster(standby.credential, standby.Dir, p.Dir); err != nil {
		return fmt.Errorf("copy the primary: %w", err)
	}
	var label string
	if err := conn.QueryRow(ctx, end).Scan(&label); err != nil {
		return fmt.Errorf("end the backup: %w", err)
	}
	for name, text := range map[string]string{"backup_label": label, "standby.signal": ""} {
		if err := writeFor(standby.credential, filepath.Join(standby.Dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

// What a copy of a running cluster must not have, as patterns of paths.
var leftOut = []string{
	"pg_wal/*", "pg_replslot/*", "pg_dynshmem/*", "pg_notify/*", "pg_serial/*", "pg_snapshots/*", "pg_stat_tmp/*", "pg_subtrans/*",
	"postmaster.*", "*/pg_internal.init", "*/*/pg_internal.init",
}

// copyCluster copies a data directory whose server is in backup mode. A file that vanishes meanwhile is in the log.
func copyCluster(c *syscall.Credential, dst, src string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		out := slices.ContainsFunc(leftOut, func(pattern string) bool { ok, _ := filepath.Match(pattern, rel); return ok })
		target := filepath.Join(dst, rel)
		switch {
		case out && d.IsDir():
			return fs.SkipDir
		case out:
			return nil
		case d.IsDir():
			if err := os.Mkdir(target, 0o700); err != nil {
				return err
			}
			return give(c, target)
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return writeFor(c, target, string(b))
	})
}

// awaitStreaming waits until a standby streams through the slot.
func (p *Postgres) awaitStreaming(ctx context.Context, slot string) error {
	conn, err := pgx.Connect(ctx, p.URL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const query = `SELECT count(*) FROM pg_replication_slots JOIN pg_stat_replication ON pid = active_pid
		WHERE slot_name = $1 AND state = 'streaming'`
	for n := 0; ; time.Sleep(pollEvery) {
		if err := conn.QueryRow(ctx, query, slot).Scan(&n); err != nil {
			return fmt.Errorf("wait for the standby on slot %s: %w", slot, err)
		}
		if n > 0 {
			return nil
		}
	}
}
