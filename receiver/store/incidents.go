package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

const incidentColumns = `id, source, receiver, group_key, group_labels, title, priority, opened, updated, resolved, resolved_by,
	ack, ladder, level, round, held, due, lease_owner, lease_until, fence, tries`

func scanIncident(scan func(...any) error) (receiver.Incident, error) {
	var i receiver.Incident
	err := scan(&i.ID, &i.Source, &i.Receiver, &i.GroupKey, document{&i.GroupLabels}, &i.Title, &i.Priority,
		millis{&i.Opened}, millis{&i.Updated}, millis{&i.Resolved}, &i.ResolvedBy, document{&i.Ack}, document{&i.Ladder},
		&i.Level, &i.Round, &i.Held, millis{&i.Due}, &i.Lease.Owner, millis{&i.Lease.Until}, &i.Lease.Fence, &i.Lease.Tries)
	return i, err
}

// InsertIncident stores a new incident and returns its id.
func (tx *Tx) InsertIncident(i receiver.Incident) (id int64, err error) {
	labels, err := toDocument(i.GroupLabels)
	if err != nil {
		return 0, err
	}
	ladder, err := toDocument(i.Ladder)
	if err != nil {
		return 0, err
	}
	err = tx.row(`INSERT INTO incidents (source, receiver, group_key, group_labels, title, priority, opened, updated, ladder, held, due)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`,
		i.Source, i.Receiver, i.GroupKey, labels, i.Title, int64(i.Priority), toMillis(i.Opened), toMillis(i.Updated), ladder,
		i.Held, toMillis(i.Due)).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("insert incident: %w", err)
	}
	return id, nil
}

// SaveIncident writes what may change of an incident. It frees the row when the lease has no owner.
func (tx *Tx) SaveIncident(i receiver.Incident) error {
	ladder, err := toDocument(i.Ladder)
	if err != nil {
		return err
	}
	var ack any
	if i.Ack != nil {
		if ack, err = toDocument(i.Ack); err != nil {
			return err
		}
	}
	n, err := tx.exec(`UPDATE incidents SET title = $1, priority = $2, updated = $3, resolved = $4, resolved_by = $5, ack = $6, ladder = $7,
		level = $8, round = $9, held = $10, due = $11, lease_owner = $12, lease_until = $13, tries = $14 WHERE id = $15 AND fence = $16`,
		i.Title, int64(i.Priority), toMillis(tx.now), toMillis(i.Resolved), i.ResolvedBy, ack, ladder, i.Level, i.Round, i.Held,
		toMillis(i.Due), i.Lease.Owner, leaseEnd(i.Lease), i.Lease.Tries, i.ID, i.Lease.Fence)
	return fenced(n, err, "incident", i.ID)
}

// leaseEnd is 0 for a free row, which the claim compares as long past.
func leaseEnd(l receiver.Lease) int64 {
	if l.Owner == "" || l.Until.IsZero() {
		return 0
	}
	return l.Until.UnixMilli()
}

// Incident returns one incident, or ErrNotFound.
func (tx *Tx) Incident(id int64) (receiver.Incident, error) {
	i, err := scanIncident(tx.row(`SELECT `+incidentColumns+` FROM incidents WHERE id = $1`, id).Scan)
	return i, found(err, "incident", id)
}

func found(err error, what string, id int64) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s %d: %w", what, id, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("read %s %d: %w", what, id, err)
	}
	return nil
}

// GroupIncident returns the newest incident of a group that is open or was resolved at or after since.
func (tx *Tx) GroupIncident(source, groupKey string, since time.Time) (i receiver.Incident, ok bool, err error) {
	i, err = scanIncident(tx.row(`SELECT `+incidentColumns+` FROM incidents WHERE source = $1 AND group_key = $2
		AND (resolved IS NULL OR resolved >= $3) ORDER BY resolved IS NOT NULL, id DESC LIMIT 1`, source, groupKey, since.UnixMilli()).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return i, false, nil
	}
	if err != nil {
		return i, false, fmt.Errorf("find incident of group: %w", err)
	}
	return i, true, nil
}

// Incidents returns the newest incidents first, at most limit; openOnly leaves out the resolved ones.
func (tx *Tx) Incidents(openOnly bool, limit int) (list []receiver.Incident, err error) {
	err = tx.each(func(scan func(...any) error) error {
		i, err := scanIncident(scan)
		list = append(list, i)
		return err
	}, `SELECT `+incidentColumns+` FROM incidents WHERE resolved IS NULL OR $1 = 0 ORDER BY id DESC LIMIT $2`, openOnly, limit)
	if err != nil {
		return nil, fmt.Errorf("list incidents: %w", err)
	}
	return list, nil
}

// ClaimIncident leases the incident of a priority that has been due longest.
func (tx *Tx) ClaimIncident(owner string, lease time.Duration, p receiver.Priority) (i receiver.Incident, ok bool, err error) {
	ok, err = tx.take(claim{table: "incidents", columns: incidentColumns, owner: owner, lease: lease, priority: p},
		func(scan func(...any) error) (err error) { i, err = scanIncident(scan); return err })
	return i, ok, err
}

// OpenIncidents counts the open incidents by priority.
func (tx *Tx) OpenIncidents() (count [3]int, err error) {
	err = tx.each(func(scan func(...any) error) error {
		var p, n int
		if err := scan(&p, &n); err != nil {
			return err
		}
		count[p] = n
		return nil
	}, `SELECT priority, count(*) FROM incidents WHERE resolved IS NULL GROUP BY priority`)
	if err != nil {
		return count, fmt.Errorf("count incidents: %w", err)
	}
	return count, nil
}
