package store

import (
	"fmt"

	"github.com/chronoops/chronoops/receiver"
)

// AddEvent appends to an incident's timeline at the moment of the transaction.
func (tx *Tx) AddEvent(e receiver.Event) error {
	_, err := tx.exec(`INSERT INTO events (incident, at, kind, actor, text) VALUES ($1, $2, $3, $4, $5)`,
		e.Incident, toMillis(tx.now), e.Kind, e.Actor, e.Text)
	if err != nil {
		return fmt.Errorf("write event of incident %d: %w", e.Incident, err)
	}
	return nil
}

// Events returns an incident's timeline, oldest first.
func (tx *Tx) Events(incident int64) (list []receiver.Event, err error) {
	err = tx.each(func(scan func(...any) error) error {
		var e receiver.Event
		err := scan(&e.ID, &e.Incident, millis{&e.At}, &e.Kind, &e.Actor, &e.Text)
		list = append(list, e)
		return err
	}, `SELECT id, incident, at, kind, actor, text FROM events WHERE incident = $1 ORDER BY id`, incident)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return list, nil
}
