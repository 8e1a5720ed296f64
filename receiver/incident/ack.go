package incident

import (
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

// Answer says in words what a person's word has changed; Done is false when there was nothing to change.
type Answer struct {
	Done bool   `json:"done"`
	Text string `json:"text"`
}

// Ack records that a person is on it, for the alerts and the priority that the incident shows now. Acknowledging twice,
// or after the end, changes nothing and says so.
func Ack(tx Tx, id int64, person string, lasts time.Duration) (Answer, error) {
	i, err := tx.Incident(id)
	if err != nil {
		return Answer{}, err
	}
	if !i.Open() {
		return Answer{Text: fmt.Sprintf("incident %d is resolved already (%s)", id, i.ResolvedBy)}, nil
	}
	list, err := tx.Episodes(id)
	if err != nil {
		return Answer{}, err
	}
	ack := receiver.Ack{By: person, At: tx.Now(), Until: tx.Now().Add(lasts), Priority: i.Priority}
	covered := true
	for _, e := range list {
		if e.Firing() {
			ack.Episodes = append(ack.Episodes, e.ID)
			covered = covered && i.Ack.Covers(e.ID, e.Priority, tx.Now())
		}
	}
	if i.Ack != nil && covered && i.Ack.By == person {
		return Answer{Text: fmt.Sprintf("you have acknowledged incident %d already, until %s", id, i.Ack.Until.Format(time.RFC3339))}, nil
	}
	i.Ack, i.Due, i.Held, i.Lease.Owner = &ack, ack.Until, false, ""
	if err := tx.SaveIncident(i); err != nil {
		return Answer{}, err
	}
	if err := tx.DropPages(id, receiver.NoticeFiring, "acknowledged by "+person); err != nil {
		return Answer{}, err
	}
	text := fmt.Sprintf("acknowledged incident %d until %s, %d alert(s) at %s", id, ack.Until.Format(time.RFC3339), len(ack.Episodes), ack.Priority)
	return Answer{Done: true, Text: text}, tx.AddEvent(receiver.Event{Incident: id, Kind: "ack", Actor: person, Text: text})
}
