package incident_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/store"
)

// Any fault of the store reaches the caller, at whichever statement it happens.
func TestEveryFaultIsReported(t *testing.T) {
	w := newWorld(t)
	w.fire("ApiDown a")
	w.page(1, "sent", receiver.NoticeFiring, receiver.PageSent)
	for name, change := range map[string]func(incident.Tx) error{
		"fire": func(tx incident.Tx) error {
			_, err := incident.Fire(tx, w.set, w.group, w.alert("ApiDown b critical"))
			return err
		},
		"open": func(tx incident.Tx) error {
			_, err := incident.Fire(tx, w.set, w.group, w.alert("Night b"))
			return err
		},
		"seen": func(tx incident.Tx) error {
			_, err := incident.Fire(tx, w.set, w.group, w.alert("ApiDown a"))
			return err
		},
		"resolve": func(tx incident.Tx) error { _, err := incident.Resolve(tx, w.alert("ApiDown a")); return err },
		"ack":     func(tx incident.Tx) error { _, err := incident.Ack(tx, 1, "ann", time.Hour); return err },
	} {
		calls := 0
		for fail := 1; ; fail++ {
			f := &faulty{fail: fail}
			err := w.db.Update(context.WithoutCancel(t.Context()), func(tx *store.Tx) error {
				f.Tx = tx
				return errors.Join(change(f), errStop)
			})
			if f.calls < fail {
				break
			}
			calls++
			if !errors.Is(err, errFault) {
				t.Errorf("%s: the fault of call %d is not reported: %v", name, fail, err)
			}
		}
		if calls < 2 {
			t.Errorf("%s: only %d calls were tried", name, calls)
		}
	}
}

var (
	errFault = errors.New("disk I/O error")
	errStop  = errors.New("roll back")
)

// faulty fails at one call.
type faulty struct {
	*store.Tx
	fail, calls int
}

func (f *faulty) fault() error {
	if f.calls++; f.calls == f.fail {
		return errFault
	}
	return nil
}

func (f *faulty) OpenEpisode(source, key string) (receiver.Episode, bool, error) {
	if err := f.fault(); err != nil {
		return receiver.Episode{}, false, err
	}
	return f.Tx.OpenEpisode(source, key)
}

func (f *faulty) Episodes(id int64) ([]receiver.Episode, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Tx.Episodes(id)
}

func (f *faulty) Firing(id int64) (bool, error) {
	if err := f.fault(); err != nil {
		return false, err
	}
	return f.Tx.Firing(id)
}

func (f *faulty) InsertEpisode(e receiver.Episode) (int64, error) {
	if err := f.fault(); err != nil {
		return 0, err
	}
	return f.Tx.InsertEpisode(e)
}

func (f *faulty) SaveEpisode(e receiver.Episode) error {
	return errors.Join(f.fault(), f.Tx.SaveEpisode(e))
}

func (f *faulty) Incident(id int64) (receiver.Incident, error) {
	if err := f.fault(); err != nil {
		return receiver.Incident{}, err
	}
	return f.Tx.Incident(id)
}

func (f *faulty) GroupIncident(source, key string, since time.Time) (receiver.Incident, bool, error) {
	if err := f.fault(); err != nil {
		return receiver.Incident{}, false, err
	}
	return f.Tx.GroupIncident(source, key, since)
}

func (f *faulty) InsertIncident(i receiver.Incident) (int64, error) {
	if err := f.fault(); err != nil {
		return 0, err
	}
	return f.Tx.InsertIncident(i)
}

func (f *faulty) SaveIncident(i receiver.Incident) error {
	return errors.Join(f.fault(), f.Tx.SaveIncident(i))
}

func (f *faulty) OpenAttempt(id int64) (receiver.Attempt, bool, error) {
	if err := f.fault(); err != nil {
		return receiver.Attempt{}, false, err
	}
	return f.Tx.OpenAttempt(id)
}

func (f *faulty) InsertAttempt(a receiver.Attempt) (int64, error) {
	if err := f.fault(); err != nil {
		return 0, err
	}
	return f.Tx.InsertAttempt(a)
}

func (f *faulty) SaveAttempt(a receiver.Attempt) error {
	return errors.Join(f.fault(), f.Tx.SaveAttempt(a))
}

func (f *faulty) Pages(id int64) ([]receiver.Page, error) {
	if err := f.fault(); err != nil {
		return nil, err
	}
	return f.Tx.Pages(id)
}

func (f *faulty) InsertPage(p receiver.Page) (int64, error) {
	if err := f.fault(); err != nil {
		return 0, err
	}
	return f.Tx.InsertPage(p)
}

func (f *faulty) DropPages(id int64, k receiver.NoticeKind, why string) error {
	return errors.Join(f.fault(), f.Tx.DropPages(id, k, why))
}

func (f *faulty) AddEvent(e receiver.Event) error {
	return errors.Join(f.fault(), f.Tx.AddEvent(e))
}
