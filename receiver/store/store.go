// Package store keeps the receiver's state in SQL: one file of SQLite, local to the instance.
//
// Every statement runs inside a Tx. The database is never asked for the time: each Tx carries one moment of the Clock.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/receiver"
)

// ErrFenced is returned by a write whose row was claimed by another worker meanwhile; nothing was written.
var ErrFenced = errors.New("row was claimed by another worker")

// ErrNotFound is returned when a row does not exist.
var ErrNotFound = receiver.ErrNotFound

// Options open a store.
type Options struct {
	Dir   string         // created with mode 0700 if missing; local disk only
	Clock receiver.Clock // the only source of time
}

// DB is the store. Use Update and View; inside them use only the Tx.
type DB struct {
	clock  receiver.Clock
	write  *sql.DB // one connection: writers queue here, not in SQLite's busy loop
	read   *sql.DB
	unlock func() error
}

// Open creates or migrates the store in a folder and locks it against a second process. A store that is new starts
// with all repairs paused.
func Open(ctx context.Context, o Options) (*DB, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create storage folder: %w", err)
	}
	unlock, err := lock(filepath.Join(o.Dir, "lock"))
	if err != nil {
		return nil, err
	}
	db := &DB{clock: o.Clock, unlock: unlock}
	if err := db.open(ctx, filepath.Join(o.Dir, "chronoops.db")); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, path string) (err error) {
	if err := private(path); err != nil {
		return err
	}
	if db.write, err = sql.Open("sqlite", sqliteDSN(path, true)); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	db.write.SetMaxOpenConns(1)
	if db.read, err = sql.Open("sqlite", sqliteDSN(path, false)); err != nil {
		return fmt.Errorf("open store for reading: %w", err)
	}
	db.read.SetMaxOpenConns(4)
	db.read.SetMaxIdleConns(1)
	if err := db.migrate(ctx); err != nil {
		return err
	}
	return db.Update(ctx, freeLeases)
}

// freeLeases takes back what the process before this one had claimed: the lock on the folder proves that it is gone. An
// effect that has begun keeps its lease, as what it started may still run.
func freeLeases(tx *Tx) error {
	for _, query := range []string{
		`UPDATE pages SET lease_until = 0, fence = fence + 1 WHERE lease_until > 0`,
		`UPDATE incidents SET lease_until = 0, fence = fence + 1 WHERE lease_until > 0`,
		`UPDATE attempts SET lease_until = 0, fence = fence + 1 WHERE lease_until > 0 AND state NOT IN ('started', 'undoing')`,
	} {
		if _, err := tx.exec(query); err != nil {
			return fmt.Errorf("free leases of the process before: %w", err)
		}
	}
	return nil
}

// private creates the file, or takes it from others: the files beside it get its mode from SQLite.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = errors.Join(f.Chmod(0o600), f.Close())
	}
	if err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	return nil
}

// Close releases the store.
func (db *DB) Close() error {
	var errs []error
	for _, c := range []*sql.DB{db.read, db.write} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(append(errs, db.unlock())...)
}

// Update runs fn in one serialised transaction and commits it durably; on any error nothing is written.
func (db *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	return db.run(ctx, db.write, nil, fn)
}

// View runs fn over one consistent snapshot; fn must not write.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	return db.run(ctx, db.read, &sql.TxOptions{ReadOnly: true}, fn)
}

func (db *DB) run(ctx context.Context, conn *sql.DB, opts *sql.TxOptions, fn func(*Tx) error) error {
	tx, err := conn.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	// The time is read once the transaction holds the write lock, so that commits are in the order of their times.
	if err := fn(&Tx{ctx: ctx, sql: tx, now: db.clock.Now().Truncate(time.Millisecond)}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// lock takes an exclusive lock that the kernel releases when the process ends, however it ends.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open storage lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("storage folder %s is in use by another chronoops: stop it or use another --storage.path: %w", filepath.Dir(path), err)
	}
	return f.Close, nil
}
