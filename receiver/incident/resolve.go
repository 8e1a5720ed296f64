package incident

import (
	"fmt"
	"slices"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

// Resolve records that an alert has ended. Only the open episode can end, and not by a message that is older than it.
func Resolve(tx Tx, a receiver.Alert) (Outcome, error) {
	e, open, err := tx.OpenEpisode(a.Source, a.Key)
	switch {
	case err != nil:
		return "", err
	case !open:
		return Unknown, nil
	case a.EndsAt.Before(e.StartsAt):
		return Stale, nil
	}
	e.Resolved, e.LastSeen = tx.Now(), tx.Now()
	if err := tx.SaveEpisode(e); err != nil {
		return "", err
	}
	if err := note(tx, e.Incident, "resolved", "resolved: "+Describe(e.Labels)); err != nil {
		return "", err
	}
	if err := dropAttempt(tx, e); err != nil {
		return "", err
	}
	return Closed, CloseWhenDone(tx, e.Incident)
}

// dropAttempt gives up an attempt that has not begun. One that has begun goes on: its outcome must be known.
func dropAttempt(tx Tx, e receiver.Episode) error {
	a, ok, err := tx.OpenAttempt(e.ID)
	if err != nil || !ok || a.State.Acting() {
		return err
	}
	a.State, a.Reason, a.Ended, a.Due, a.Lease.Owner = receiver.AttemptDropped, "the alert resolved before anything was done", tx.Now(), time.Time{}, ""
	if err := tx.SaveAttempt(a); err != nil {
		return err
	}
	return note(tx, e.Incident, "dropped", a.Action+" is not needed: the alert resolved before anything was done")
}

// CloseWhenDone resolves an incident once none of its episodes fires and no repair still has to be proven: that an alert
// has cleared is no proof, as a false resolve looks the same.
func CloseWhenDone(tx Tx, id int64) error {
	if firing, err := tx.Firing(id); err != nil || firing {
		return err
	}
	if acting, err := acting(tx, id); err != nil || acting {
		return err
	}
	i, err := tx.Incident(id)
	if err != nil || !i.Open() {
		return err
	}
	list, err := tx.Episodes(id)
	if err != nil {
		return err
	}
	if unproven, err := unproven(tx, id, list); err != nil || unproven {
		return err
	}
	return closeIncident(tx, i, resolvedBy(list), actor)
}

func acting(tx Tx, id int64) (bool, error) {
	list, err := tx.Attempts(id)
	return slices.ContainsFunc(list, func(a receiver.Attempt) bool { return a.State.Acting() }), err
}

// unproven reports whether a repair has ended without proof after its alert had cleared: then people must look, whatever
// else clears. What fires anew after that brings them there by itself.
func unproven(tx Tx, id int64, episodes []receiver.Episode) (bool, error) {
	list, err := tx.Attempts(id)
	return slices.ContainsFunc(list, func(a receiver.Attempt) bool {
		if a.State != receiver.AttemptUnknown && (a.State != receiver.AttemptFailed || a.Applied.IsZero()) {
			return false
		}
		cleared := slices.ContainsFunc(episodes, func(e receiver.Episode) bool { return e.ID == a.Episode && a.Ended.After(e.Resolved) })
		anew := slices.ContainsFunc(episodes, func(e receiver.Episode) bool { return e.Opened.After(a.Ended) })
		return cleared && !anew
	}), err
}

// closeIncident resolves an open incident and tells everyone who was paged.
func closeIncident(tx Tx, i receiver.Incident, by, who string) error {
	i.Resolved, i.ResolvedBy, i.Due, i.Held, i.Lease.Owner = tx.Now(), by, time.Time{}, false, ""
	if err := tx.SaveIncident(i); err != nil {
		return err
	}
	text := fmt.Sprintf("incident %d resolved (%s) after %s", i.ID, by, tx.Now().Sub(i.Opened).Truncate(time.Second))
	if err := tx.AddEvent(receiver.Event{Incident: i.ID, Kind: "resolved", Actor: who, Text: text}); err != nil {
		return err
	}
	if err := tx.DropPages(i.ID, receiver.NoticeFiring, "the incident resolved before the page went out"); err != nil {
		return err
	}
	return pageResolved(tx, i)
}

// Close resolves an incident for a person: one whose alerts have cleared, but whose repair could not be proven.
func Close(tx Tx, id int64, person string) (Answer, error) {
	i, err := tx.Incident(id)
	if err != nil {
		return Answer{}, err
	}
	if !i.Open() {
		return Answer{Text: fmt.Sprintf("incident %d is resolved already (%s)", id, i.ResolvedBy)}, nil
	}
	firing, err := tx.Firing(id)
	if err != nil {
		return Answer{}, err
	}
	if firing {
		return Answer{Text: fmt.Sprintf("incident %d still has a firing alert: acknowledge it, or silence the alert in Alertmanager", id)}, nil
	}
	busy, err := acting(tx, id)
	if err != nil {
		return Answer{}, err
	}
	if busy {
		return Answer{Text: fmt.Sprintf("a repair of incident %d is still being proven: try again when it has ended", id)}, nil
	}
	return Answer{Done: true, Text: fmt.Sprintf("resolved incident %d", id)}, closeIncident(tx, i, person, person)
}

// byRepair is the word for an incident that a repair has ended.
const byRepair = "repair"

func resolvedBy(list []receiver.Episode) string {
	for _, e := range lastRound(list) {
		if e.Repair == receiver.RepairVerified {
			return byRepair
		}
	}
	return "alert cleared"
}

// lastRound leaves out the episodes from before the incident was last reopened: all of them had resolved by then.
func lastRound(list []receiver.Episode) []receiver.Episode {
	begin := 0
	var over time.Time // when the latest of the episodes before had resolved
	for n, e := range list {
		if n > 0 && e.Opened.After(over) {
			begin = n
		}
		if e.Resolved.After(over) {
			over = e.Resolved
		}
	}
	return list[begin:]
}

// reached reports whether a page has reached its channel, or may have. An end that is on its way, or could not be delivered,
// is not owed again.
func reached(p receiver.Page) bool {
	switch p.State {
	case receiver.PageSent, receiver.PageAmbiguous, receiver.PageSending:
		return true
	case receiver.PagePending, receiver.PageFailed:
		return p.Repeated || p.Kind.Closes()
	case receiver.PageDropped:
	}
	return p.Repeated
}

// pageResolved tells every channel whose last word is a page that still fires.
func pageResolved(tx Tx, i receiver.Incident) error {
	sent, err := tx.Pages(i.ID)
	if err != nil {
		return err
	}
	kind := receiver.NoticeResolved
	if i.ResolvedBy == byRepair {
		kind = receiver.NoticeRepaired
	}
	told := map[string]bool{}
	for _, p := range slices.Backward(sent) {
		if told[p.Channel] || !reached(p) {
			continue
		}
		told[p.Channel] = true
		if p.Kind.Closes() {
			continue
		}
		_, err := tx.InsertPage(receiver.Page{
			Incident: i.ID, Kind: kind, Level: p.Level, Role: p.Role, Channel: p.Channel, Priority: i.Priority,
			State: receiver.PagePending, Created: tx.Now(), Due: tx.Now(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
