package store

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// reasonNewStore is shown until a person resumes repairs for the first time.
const reasonNewStore = "the store is new: repairs start only after a person has said `chronoops resume`"

// migrate brings the schema up to date, one transaction a step, and refuses a schema newer than this program.
func (db *DB) migrate(ctx context.Context) error {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	version, err := db.schemaVersion(ctx)
	if err != nil {
		return err
	}
	if version > len(entries) {
		return fmt.Errorf("store has schema %d, this chronoops knows %d: run the newer chronoops, or restore a copy of the store", version, len(entries))
	}
	for i := version; i < len(entries); i++ {
		name := entries[i].Name()
		if n, _, _ := strings.Cut(name, "_"); n != fmt.Sprintf("%04d", i+1) {
			return fmt.Errorf("migration %s is out of order", name)
		}
		text, err := migrations.ReadFile("migrations/" + name)
		if err != nil {
			return fmt.Errorf("read migration %s: %w", name, err)
		}
		err = db.Update(ctx, func(tx *Tx) error {
			if _, err := tx.sql.ExecContext(ctx, strings.ReplaceAll(string(text), "{{id}}", keyColumn)); err != nil {
				return err
			}
			if i == 0 {
				if err := tx.Pause(pauseNewStore(tx)); err != nil {
					return err
				}
			}
			return tx.setMeta("schema", strconv.Itoa(i+1))
		})
		if err != nil {
			return fmt.Errorf("apply migration %s: %w", name, err)
		}
	}
	return nil
}

func (db *DB) schemaVersion(ctx context.Context) (version int, err error) {
	err = db.Update(ctx, func(tx *Tx) error {
		var n int
		row := tx.row(`SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'`)
		if err := row.Scan(&n); err != nil {
			return fmt.Errorf("read schema: %w", err)
		}
		if n == 0 {
			return nil
		}
		text, err := tx.meta("schema")
		if err != nil {
			return err
		}
		if version, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("read schema version: %w", err)
		}
		if version < 1 {
			return fmt.Errorf("store has schema %d, which no chronoops has written: restore a copy of the store", version)
		}
		return nil
	})
	return version, err
}
