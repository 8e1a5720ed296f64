package store

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

// InsertMessage records a message of a source by the hash of what it says; repeat tells that it was known. A body is kept
// once.
func (tx *Tx) InsertMessage(source, hash string, body []byte) (repeat bool, err error) {
	var repeats int64
	err = tx.row(`INSERT INTO inbox (source, hash, received, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (source, hash) DO UPDATE SET repeats = inbox.repeats + 1, received = excluded.received RETURNING repeats`,
		source, hash, toMillis(tx.now), string(body)).Scan(&repeats)
	if err != nil {
		return false, fmt.Errorf("write inbox: %w", err)
	}
	_, err = tx.exec(`INSERT INTO sources (name, message) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET message = excluded.message`,
		source, toMillis(tx.now))
	if err != nil {
		return false, fmt.Errorf("write source: %w", err)
	}
	return repeats > 0, nil
}

// SawWatchdog records that a source's Watchdog alert fired.
func (tx *Tx) SawWatchdog(source string) error {
	if _, err := tx.exec(`UPDATE sources SET watchdog = $1 WHERE name = $2`, toMillis(tx.now), source); err != nil {
		return fmt.Errorf("write watchdog: %w", err)
	}
	return nil
}

// Sources returns when each source was last heard.
func (tx *Tx) Sources() (list []receiver.SourceState, err error) {
	err = tx.each(func(scan func(...any) error) error {
		var s receiver.SourceState
		err := scan(&s.Name, millis{&s.Message}, millis{&s.Watchdog})
		list = append(list, s)
		return err
	}, `SELECT name, message, watchdog FROM sources ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	return list, nil
}

// DeleteMessages removes messages received before a time and tells how many; the inbox saves work, nothing depends on it.
func (tx *Tx) DeleteMessages(before time.Time) (int64, error) {
	n, err := tx.exec(`DELETE FROM inbox WHERE received < $1`, before.UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("delete old messages: %w", err)
	}
	return n, nil
}

// Latest returns the newest moment that the store has seen, or the zero time.
func (tx *Tx) Latest() (latest time.Time, err error) {
	for _, query := range []string{
		`SELECT max(received) FROM inbox`, `SELECT at FROM events ORDER BY id DESC LIMIT 1`, `SELECT max(at) FROM pauses`,
	} {
		var t time.Time
		if err := tx.row(query).Scan(millis{&t}); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return time.Time{}, fmt.Errorf("read latest time: %w", err)
		}
		if t.After(latest) {
			latest = t
		}
	}
	return latest, nil
}
