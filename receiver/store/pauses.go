package store

import (
	"fmt"

	"github.com/chronoops/chronoops/receiver"
)

func pauseNewStore(tx *Tx) receiver.Pause {
	return receiver.Pause{Reason: reasonNewStore, By: "chronoops", At: tx.now}
}

// Pause stores a pause; one of the same resource is replaced.
func (tx *Tx) Pause(p receiver.Pause) error {
	_, err := tx.exec(`INSERT INTO pauses (resource, reason, by_person, at, until) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (resource) DO UPDATE SET reason = excluded.reason, by_person = excluded.by_person, at = excluded.at, until = excluded.until`,
		p.Resource, p.Reason, p.By, toMillis(p.At), toMillis(p.Until))
	if err != nil {
		return fmt.Errorf("write pause: %w", err)
	}
	return nil
}

// Resume removes the pause of a resource, or every pause for "", and tells how many there were. Repairs that a pause has
// held up are due at once.
func (tx *Tx) Resume(resource string) (int64, error) {
	n, err := tx.exec(`DELETE FROM pauses WHERE resource = $1 OR $1 = ''`, resource)
	if err != nil {
		return 0, fmt.Errorf("delete pause: %w", err)
	}
	if _, err := tx.exec(`UPDATE attempts SET due = $1 WHERE state = 'blocked' AND guard = 'pause'`, toMillis(tx.now)); err != nil {
		return 0, fmt.Errorf("wake paused attempts: %w", err)
	}
	return n, nil
}

// Pauses returns the pauses that hold now.
func (tx *Tx) Pauses() (list []receiver.Pause, err error) {
	err = tx.each(func(scan func(...any) error) error {
		var p receiver.Pause
		if err := scan(&p.Resource, &p.Reason, &p.By, millis{&p.At}, millis{&p.Until}); err != nil {
			return err
		}
		if p.Active(tx.now) {
			list = append(list, p)
		}
		return nil
	}, `SELECT resource, reason, by_person, at, until FROM pauses ORDER BY resource`)
	if err != nil {
		return nil, fmt.Errorf("list pauses: %w", err)
	}
	return list, nil
}
