package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Tx is one transaction and one moment. It must not be used after the function it was given to returns.
type Tx struct {
	ctx      context.Context
	sql      *sql.Tx
	now      time.Time
	prepared map[string]*sql.Stmt // closed by the end of the transaction
}

// Now is the moment of the transaction.
func (tx *Tx) Now() time.Time { return tx.now }

// prepare returns the prepared statement of a query. A message repeats few statements for each of its alerts, and preparing
// one takes longer than running it.
func (tx *Tx) prepare(query string) (*sql.Stmt, error) {
	if stmt, ok := tx.prepared[query]; ok {
		return stmt, nil
	}
	stmt, err := tx.sql.PrepareContext(tx.ctx, query)
	if err != nil {
		return nil, err
	}
	if tx.prepared == nil {
		tx.prepared = map[string]*sql.Stmt{}
	}
	tx.prepared[query] = stmt
	return stmt, nil
}

func (tx *Tx) row(query string, args ...any) row {
	stmt, err := tx.prepare(query)
	if err != nil {
		return row{err: err}
	}
	return row{Row: stmt.QueryRowContext(tx.ctx, args...)}
}

// row is a *sql.Row, or why there is none.
type row struct {
	*sql.Row
	err error
}

// Scan is that of *sql.Row.
func (r row) Scan(into ...any) error {
	if r.err != nil {
		return r.err
	}
	return r.Row.Scan(into...)
}

func (tx *Tx) exec(query string, args ...any) (changed int64, err error) {
	stmt, err := tx.prepare(query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(tx.ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// each calls fn for every row of a query. fn must not run the same query.
func (tx *Tx) each(fn func(scan func(...any) error) error, query string, args ...any) (err error) {
	stmt, err := tx.prepare(query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(tx.ctx, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := fn(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (tx *Tx) meta(key string) (value string, err error) {
	err = tx.row(`SELECT value FROM meta WHERE key = $1`, key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	return value, nil
}

func (tx *Tx) setMeta(key, value string) error {
	_, err := tx.exec(`INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

// millis stores a time as milliseconds, the zero time as NULL.
type millis struct{ t *time.Time }

func toMillis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// Scan implements sql.Scanner.
func (m millis) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m.t = time.Time{}
	case int64:
		*m.t = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("want milliseconds, got %T", src)
	}
	return nil
}

// document stores a value as JSON text.
type document struct{ v any }

func toDocument(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(b), nil
}

// Scan implements sql.Scanner.
func (d document) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), d.v)
	case []byte:
		return json.Unmarshal(v, d.v)
	}
	return fmt.Errorf("want JSON, got %T", src)
}
