package store

import (
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

const pageColumns = `id, incident, kind, level, role, channel, priority, why, state, repeated, sends, error, created, sent, due,
	lease_owner, lease_until, fence, tries`

func scanPage(scan func(...any) error) (receiver.Page, error) {
	var p receiver.Page
	err := scan(&p.ID, &p.Incident, &p.Kind, &p.Level, &p.Role, &p.Channel, &p.Priority, &p.Why, &p.State, &p.Repeated, &p.Sends, &p.Error,
		millis{&p.Created}, millis{&p.Sent}, millis{&p.Due}, &p.Lease.Owner, millis{&p.Lease.Until}, &p.Lease.Fence, &p.Lease.Tries)
	return p, err
}

// InsertPage stores a new page and returns its id.
func (tx *Tx) InsertPage(p receiver.Page) (id int64, err error) {
	err = tx.row(`INSERT INTO pages (incident, kind, level, role, channel, priority, why, state, created, due)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
		p.Incident, string(p.Kind), p.Level, p.Role, p.Channel, int64(p.Priority), p.Why, string(p.State), toMillis(p.Created), toMillis(p.Due)).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("insert page: %w", err)
	}
	return id, nil
}

// SavePage writes what may change of a page. It frees the row when the lease has no owner.
func (tx *Tx) SavePage(p receiver.Page) error {
	n, err := tx.exec(`UPDATE pages SET state = $1, repeated = $2, sends = $3, error = $4, sent = $5, due = $6, lease_owner = $7, lease_until = $8,
		tries = $9 WHERE id = $10 AND fence = $11`, string(p.State), p.Repeated, p.Sends, p.Error, toMillis(p.Sent), toMillis(p.Due),
		p.Lease.Owner, leaseEnd(p.Lease), p.Lease.Tries, p.ID, p.Lease.Fence)
	return fenced(n, err, "page", p.ID)
}

// Pages returns the pages of an incident, oldest first.
func (tx *Tx) Pages(incident int64) (list []receiver.Page, err error) {
	err = tx.each(func(scan func(...any) error) error {
		p, err := scanPage(scan)
		list = append(list, p)
		return err
	}, `SELECT `+pageColumns+` FROM pages WHERE incident = $1 ORDER BY id`, incident)
	if err != nil {
		return nil, fmt.Errorf("list pages: %w", err)
	}
	return list, nil
}

// DropPages gives up the pages of a kind that have not gone out yet.
func (tx *Tx) DropPages(incident int64, kind receiver.NoticeKind, why string) error {
	_, err := tx.exec(`UPDATE pages SET state = 'dropped', due = NULL, error = $1, fence = fence + 1 WHERE incident = $2 AND kind = $3 AND state = 'pending'`,
		why, incident, string(kind))
	if err != nil {
		return fmt.Errorf("drop pages of incident %d: %w", incident, err)
	}
	return nil
}

// ClaimPage leases the page of a priority that has been due longest.
func (tx *Tx) ClaimPage(owner string, lease time.Duration, pr receiver.Priority) (p receiver.Page, ok bool, err error) {
	ok, err = tx.take(claim{table: "pages", columns: pageColumns, owner: owner, lease: lease, priority: pr},
		func(scan func(...any) error) (err error) { p, err = scanPage(scan); return err })
	return p, ok, err
}

// NextPage returns when the page lane has work next, or the zero time.
func (tx *Tx) NextPage() (time.Time, error) { return tx.nextDue("incidents", "pages") }
