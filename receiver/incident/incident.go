// Package incident holds the changes that messages, people and repairs make to episodes and incidents. Each one runs inside
// a transaction of the caller and computes from rows that it reads there.
package incident

import (
	"time"

	"github.com/chronoops/chronoops/receiver"
)

// Tx is the part of a transaction of the store that incidents need.
type Tx interface {
	episodes
	incidents
	attempts
	pages
	Now() time.Time
	AddEvent(receiver.Event) error
}

type episodes interface {
	OpenEpisode(source, alertKey string) (receiver.Episode, bool, error)
	Episodes(incident int64) ([]receiver.Episode, error)
	InsertEpisode(receiver.Episode) (int64, error)
	SaveEpisode(receiver.Episode) error
}

type incidents interface {
	Incident(id int64) (receiver.Incident, error)
	GroupIncident(source, groupKey string, since time.Time) (receiver.Incident, bool, error)
	InsertIncident(receiver.Incident) (int64, error)
	SaveIncident(receiver.Incident) error
}

type attempts interface {
	OpenAttempt(episode int64) (receiver.Attempt, bool, error)
	Attempts(incident int64) ([]receiver.Attempt, error)
	InsertAttempt(receiver.Attempt) (int64, error)
	SaveAttempt(receiver.Attempt) error
}

type pages interface {
	Pages(incident int64) ([]receiver.Page, error)
	InsertPage(receiver.Page) (int64, error)
	DropPages(incident int64, kind receiver.NoticeKind, why string) error
}

// actor is the name under which the program itself appears in timelines.
const actor = "chronoops"

func note(tx Tx, incident int64, kind, text string) error {
	return tx.AddEvent(receiver.Event{Incident: incident, Kind: kind, Actor: actor, Text: text})
}
