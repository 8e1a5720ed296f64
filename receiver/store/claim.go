package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

// Claim asks for one due row.
type claim struct {
	table, columns string
	owner          string
	lease          time.Duration
	priority       receiver.Priority // this priority only
}

// take leases the row that has been due longest and returns it, or sql.ErrNoRows. A row whose lease has expired is due
// again, with its tries counted up.
func (tx *Tx) take(c claim, scan func(func(...any) error) error) (found bool, err error) {
	now := tx.now.UnixMilli()
	query := fmt.Sprintf(`UPDATE %[1]s SET lease_owner = $1, lease_until = $2, fence = fence + 1, tries = tries + 1
		WHERE id = (SELECT id FROM %[1]s WHERE priority = $3 AND due <= $4 AND lease_until <= $4 ORDER BY due, id LIMIT 1)
		RETURNING %[2]s`, c.table, c.columns)
	err = scan(tx.row(query, c.owner, tx.now.Add(c.lease).UnixMilli(), int64(c.priority), now).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("claim from %s: %w", c.table, err)
	}
	return true, nil
}

// ExtendLease moves the end of a lease that the caller still holds.
func (tx *Tx) extend(table string, id, fence int64, until time.Time) error {
	n, err := tx.exec(fmt.Sprintf(`UPDATE %s SET lease_until = $1 WHERE id = $2 AND fence = $3`, table), until.UnixMilli(), id, fence)
	return fenced(n, err, table, id)
}

// fenced turns the outcome of a fenced write into an error.
func fenced(changed int64, err error, table string, id int64) error {
	switch {
	case err != nil:
		return fmt.Errorf("write %s %d: %w", table, id, err)
	case changed == 0:
		return fmt.Errorf("write %s %d: %w", table, id, ErrFenced)
	}
	return nil
}

// NextDue returns the earliest moment at which a row of these tables is due, or the zero time.
func (tx *Tx) nextDue(tables ...string) (next time.Time, err error) {
	for _, table := range tables {
		var due time.Time
		query := fmt.Sprintf(`SELECT min(CASE WHEN lease_until > due THEN lease_until ELSE due END) FROM %s WHERE due IS NOT NULL`, table)
		if err := tx.row(query).Scan(millis{&due}); err != nil {
			return time.Time{}, fmt.Errorf("find next due of %s: %w", table, err)
		}
		if !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next, nil
}
