package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

const attemptColumns = `id, COALESCE(incident, 0), COALESCE(episode, 0), policy, step, priority, action, resource, params, mode, state, guard, reason,
	plan, result, by_person, approved, approval, created, started, applied, ended, cleared, due, lease_owner, lease_until, fence, tries`

func scanAttempt(scan func(...any) error) (receiver.Attempt, error) {
	var a receiver.Attempt
	err := scan(&a.ID, &a.Incident, &a.Episode, &a.Policy, &a.Step, &a.Priority, &a.Action, &a.Resource, document{&a.Params}, &a.Mode, &a.State,
		&a.Guard, &a.Reason, document{&a.Plan}, &a.Result, &a.By, &a.Approved, &a.Approval, millis{&a.Created}, millis{&a.Started},
		millis{&a.Applied}, millis{&a.Ended}, millis{&a.Cleared}, millis{&a.Due},
		&a.Lease.Owner, millis{&a.Lease.Until}, &a.Lease.Fence, &a.Lease.Tries)
	return a, err
}

// InsertAttempt stores a new attempt and returns its id.
func (tx *Tx) InsertAttempt(a receiver.Attempt) (id int64, err error) {
	params, err := toDocument(a.Params)
	if err != nil {
		return 0, err
	}
	err = tx.row(`INSERT INTO attempts (incident, episode, policy, step, priority, action, resource, params, mode, state, by_person, approval, created, due)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id`,
		nullable(a.Incident), nullable(a.Episode), a.Policy, a.Step, int64(a.Priority), a.Action, a.Resource, params, int64(a.Mode), string(a.State),
		a.By, a.Approval, toMillis(a.Created), toMillis(a.Due)).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("insert attempt: %w", err)
	}
	return id, nil
}

func nullable(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

// SaveAttempt writes what may change of an attempt, if its state may follow the stored one. It frees the row when the
// lease has no owner.
func (tx *Tx) SaveAttempt(a receiver.Attempt) error {
	var (
		from  receiver.AttemptState
		fence int64
	)
	if err := tx.row(`SELECT state, fence FROM attempts WHERE id = $1`, a.ID).Scan(&from, &fence); err != nil {
		return found(err, "attempt", a.ID)
	}
	if fence != a.Lease.Fence {
		return fenced(0, nil, "attempt", a.ID)
	}
	if from != a.State {
		if err := receiver.CheckMove(from, a.State); err != nil {
			return fmt.Errorf("write attempt %d: %w", a.ID, err)
		}
	}
	params, err := toDocument(a.Params)
	if err != nil {
		return err
	}
	var plan any
	if a.Plan != nil {
		if plan, err = toDocument(a.Plan); err != nil {
			return err
		}
	}
	n, err := tx.exec(`UPDATE attempts SET resource = $1, params = $2, mode = $3, state = $4, guard = $5, reason = $6, plan = $7, result = $8,
		approved = $9, approval = $10, started = $11, applied = $12, ended = $13, cleared = $14, due = $15,
		lease_owner = $16, lease_until = $17, tries = $18 WHERE id = $19 AND fence = $20`,
		a.Resource, params, int64(a.Mode), string(a.State), a.Guard, a.Reason, plan, a.Result, a.Approved, a.Approval,
		toMillis(a.Started), toMillis(a.Applied), toMillis(a.Ended), toMillis(a.Cleared), toMillis(a.Due),
		a.Lease.Owner, leaseEnd(a.Lease), a.Lease.Tries, a.ID, a.Lease.Fence)
	return fenced(n, err, "attempt", a.ID)
}

// Attempt returns one attempt, or ErrNotFound.
func (tx *Tx) Attempt(id int64) (receiver.Attempt, error) {
	a, err := scanAttempt(tx.row(`SELECT `+attemptColumns+` FROM attempts WHERE id = $1`, id).Scan)
	return a, found(err, "attempt", id)
}

// Attempts returns the attempts of an incident, oldest first.
func (tx *Tx) Attempts(incident int64) ([]receiver.Attempt, error) {
	return tx.attempts(`SELECT `+attemptColumns+` FROM attempts WHERE incident = $1 ORDER BY id`, incident)
}

// RecentAttempts returns the newest attempts first, at most limit.
func (tx *Tx) RecentAttempts(limit int) ([]receiver.Attempt, error) {
	return tx.attempts(`SELECT `+attemptColumns+` FROM attempts ORDER BY id DESC LIMIT $1`, limit)
}

// OpenAttempts returns every attempt that is not final, oldest first.
func (tx *Tx) OpenAttempts() ([]receiver.Attempt, error) {
	return tx.attempts(`SELECT ` + attemptColumns + ` FROM attempts WHERE due IS NOT NULL ORDER BY id`)
}

// OpenAttempt returns the attempt of an episode that is not final.
func (tx *Tx) OpenAttempt(episode int64) (a receiver.Attempt, ok bool, err error) {
	a, err = scanAttempt(tx.row(`SELECT `+attemptColumns+` FROM attempts WHERE episode = $1 AND due IS NOT NULL`, episode).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return a, false, nil
	}
	if err != nil {
		return a, false, fmt.Errorf("find open attempt: %w", err)
	}
	return a, true, nil
}

func (tx *Tx) attempts(query string, args ...any) (list []receiver.Attempt, err error) {
	err = tx.each(func(scan func(...any) error) error {
		a, err := scanAttempt(scan)
		list = append(list, a)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list attempts: %w", err)
	}
	return list, nil
}

// AttemptHistory gathers the history of a policy's step on a resource for an episode. What a later step follows within
// one repair is not held against it: it counts its own runs only.
func (tx *Tx) AttemptHistory(policy string, step int, resource string, episode int64) (h receiver.AttemptHistory, err error) {
	err = tx.row(`SELECT COALESCE(max(id), 0) FROM attempts WHERE resource = $1 AND state IN ('started', 'applied', 'undoing')`, resource).Scan(&h.Holder)
	if err != nil {
		return h, fmt.Errorf("read lock of %s: %w", resource, err)
	}
	err = tx.row(`SELECT max(COALESCE(ended, started)), COALESCE(sum(started >= $3), 0) FROM attempts
		WHERE policy = $1 AND resource = $2 AND started IS NOT NULL AND ($4 = 0 OR step = $4)`,
		policy, resource, tx.now.Add(-24*time.Hour).UnixMilli(), step).Scan(millis{&h.LastEnd}, &h.InDay)
	if err != nil {
		return h, fmt.Errorf("read history of %s: %w", resource, err)
	}
	err = tx.row(`SELECT count(*) FROM attempts WHERE episode = $1 AND step = $2 AND started IS NOT NULL`, episode, step).Scan(&h.InEpisode)
	if err != nil {
		return h, fmt.Errorf("count attempts of episode %d: %w", episode, err)
	}
	return h, nil
}

// ClaimAttempt leases the attempt of a priority that has been due longest.
func (tx *Tx) ClaimAttempt(owner string, lease time.Duration, p receiver.Priority) (a receiver.Attempt, ok bool, err error) {
	ok, err = tx.take(claim{table: "attempts", columns: attemptColumns, owner: owner, lease: lease, priority: p},
		func(scan func(...any) error) (err error) { a, err = scanAttempt(scan); return err })
	return a, ok, err
}

// ExtendAttempt moves the end of the lease of an attempt that the caller still holds.
func (tx *Tx) ExtendAttempt(a receiver.Attempt, until time.Time) error {
	return tx.extend("attempts", a.ID, a.Lease.Fence, until)
}

// NextRepair returns when the repair lane has work next, or the zero time.
func (tx *Tx) NextRepair() (time.Time, error) { return tx.nextDue("attempts") }
