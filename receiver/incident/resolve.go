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
	return Closed, closeWhenDone(tx, e.Incident)
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
	return note(tx, e.Incident, "dropped", fmt.Sprintf("%s is not needed: the alert resolved before anything was done", a.Action))
}

// closeWhenDone resolves an incident once none of its episodes fires, and tells everyone who was paged.
func closeWhenDone(tx Tx, id int64) error {
	list, err := tx.Episodes(id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, receiver.Episode.Firing) {
		return nil
	}
	i, err := tx.Incident(id)
	if err != nil || !i.Open() {
		return err
	}
	i.Resolved, i.ResolvedBy, i.Due, i.Held, i.Lease.Owner = tx.Now(), resolvedBy(list), time.Time{}, false, ""
	if err := tx.SaveIncident(i); err != nil {
		return err
	}
	if err := note(tx, id, "resolved", fmt.Sprintf("incident %d resolved (%s) after %s", id, i.ResolvedBy, tx.Now().Sub(i.Opened).Truncate(time.Second))); err != nil {
		return err
	}
	if err := tx.DropPages(id, receiver.NoticeFiring, "the incident resolved before the page went out"); err != nil {
		return err
	}
	return pageResolved(tx, i)
}

// byRepair is the word for an incident that a repair has ended.
const byRepair = "repair"

func resolvedBy(list []receiver.Episode) string {
	for _, e := range lastRound(list) {
		if e.Repair == receiver.RepairVerified || e.Repair == receiver.RepairRunning {
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

// pageResolved tells every channel that a firing page has reached, or may have reached, since the incident last opened.
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
		if p.Kind.Closes() {
			break
		}
		switch p.State {
		case receiver.PageSent, receiver.PageAmbiguous, receiver.PageSending:
		default:
			continue
		}
		if told[p.Channel] {
			continue
		}
		told[p.Channel] = true
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
