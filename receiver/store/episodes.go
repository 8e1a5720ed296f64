package store

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/chronoops/chronoops/receiver"
)

const episodeColumns = `id, incident, source, alert_key, labels, annotations, url, policy, priority, starts_at, opened, last_seen, resolved, repair`

func scanEpisode(scan func(...any) error) (receiver.Episode, error) {
	var e receiver.Episode
	err := scan(&e.ID, &e.Incident, &e.Source, &e.AlertKey, document{&e.Labels}, document{&e.Annotations}, &e.URL, &e.Policy, &e.Priority,
		millis{&e.StartsAt}, millis{&e.Opened}, millis{&e.LastSeen}, millis{&e.Resolved}, &e.Repair)
	return e, err
}

// InsertEpisode stores a new episode and returns its id.
func (tx *Tx) InsertEpisode(e receiver.Episode) (id int64, err error) {
	labels, err := toDocument(e.Labels)
	if err != nil {
		return 0, err
	}
	annotations, err := toDocument(e.Annotations)
	if err != nil {
		return 0, err
	}
	err = tx.row(`INSERT INTO episodes (incident, source, alert_key, labels, annotations, url, policy, priority, starts_at, opened, last_seen, repair)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id`,
		e.Incident, e.Source, e.AlertKey, labels, annotations, e.URL, e.Policy, int64(e.Priority), e.StartsAt.UnixMilli(),
		toMillis(e.Opened), toMillis(e.LastSeen), string(e.Repair)).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("insert episode: %w", err)
	}
	return id, nil
}

// SaveEpisode writes what may change of an episode.
func (tx *Tx) SaveEpisode(e receiver.Episode) error {
	annotations, err := toDocument(e.Annotations)
	if err != nil {
		return err
	}
	_, err = tx.exec(`UPDATE episodes SET annotations = $1, url = $2, starts_at = $3, last_seen = $4, resolved = $5, repair = $6 WHERE id = $7`,
		annotations, e.URL, e.StartsAt.UnixMilli(), toMillis(e.LastSeen), toMillis(e.Resolved), string(e.Repair), e.ID)
	if err != nil {
		return fmt.Errorf("write episode %d: %w", e.ID, err)
	}
	return nil
}

// OpenEpisode returns the open episode of an alert.
func (tx *Tx) OpenEpisode(source, alertKey string) (e receiver.Episode, ok bool, err error) {
	e, err = scanEpisode(tx.row(`SELECT `+episodeColumns+` FROM episodes WHERE source = $1 AND alert_key = $2 AND resolved IS NULL`, source, alertKey).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return e, false, nil
	}
	if err != nil {
		return e, false, fmt.Errorf("find open episode: %w", err)
	}
	return e, true, nil
}

// Episode returns one episode, or ErrNotFound.
func (tx *Tx) Episode(id int64) (receiver.Episode, error) {
	e, err := scanEpisode(tx.row(`SELECT `+episodeColumns+` FROM episodes WHERE id = $1`, id).Scan)
	return e, found(err, "episode", id)
}

// Episodes returns the episodes of an incident, oldest first.
func (tx *Tx) Episodes(incident int64) ([]receiver.Episode, error) {
	return tx.episodes(`SELECT `+episodeColumns+` FROM episodes WHERE incident = $1 ORDER BY id`, incident)
}

// Firing reports whether any episode of an incident is open.
func (tx *Tx) Firing(incident int64) (firing bool, err error) {
	err = tx.row(`SELECT EXISTS (SELECT 1 FROM episodes WHERE incident = $1 AND resolved IS NULL)`, incident).Scan(&firing)
	if err != nil {
		return false, fmt.Errorf("look for firing episodes of incident %d: %w", incident, err)
	}
	return firing, nil
}

// FiringEpisodes returns all open episodes, of every source.
func (tx *Tx) FiringEpisodes() ([]receiver.Episode, error) {
	return tx.episodes(`SELECT ` + episodeColumns + ` FROM episodes WHERE resolved IS NULL ORDER BY id`)
}

func (tx *Tx) episodes(query string, args ...any) (list []receiver.Episode, err error) {
	err = tx.each(func(scan func(...any) error) error {
		e, err := scanEpisode(scan)
		list = append(list, e)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list episodes: %w", err)
	}
	return list, nil
}
