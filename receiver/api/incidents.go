package api

import (
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/incident"
)

// Incident is one line of the list of incidents.
type Incident struct {
	receiver.Incident
	Firing    int     `json:"firing"`              // alerts that fire now
	Approvals []int64 `json:"approvals,omitempty"` // attempts whose plan waits for a person
}

// Detail is everything about one incident.
type Detail struct {
	Now      time.Time          `json:"now"`
	Incident Incident           `json:"incident"`
	Episodes []receiver.Episode `json:"episodes"`
	Attempts []Attempt          `json:"attempts"`
	Pages    []receiver.Page    `json:"pages"`
	Timeline []receiver.Event   `json:"timeline"`
}

// Attempt is an attempt with the hash of its plan, which an approval names.
type Attempt struct {
	receiver.Attempt
	PlanHash string `json:"plan_hash,omitempty"`
}

func withHash(list ...receiver.Attempt) []Attempt {
	out := make([]Attempt, 0, len(list))
	for _, a := range list {
		shown := Attempt{Attempt: a}
		if a.Plan != nil {
			shown.PlanHash = a.Plan.Hash()
		}
		out = append(out, shown)
	}
	return out
}

const listed = 100 // rows of a list unless told

func (h *Handler) listIncidents(c call) (any, error) {
	open := c.URL.Query().Get("open")
	if open != "" && open != "true" && open != "false" {
		return nil, bad("open %q must be true or false", open)
	}
	n, err := limit(c.Request, listed)
	if err != nil {
		return nil, err
	}
	var list []Incident
	err = h.o.Store.View(c.Context(), func(tx Tx) (err error) {
		list, err = incidents(tx, open == "true", n)
		return err
	})
	return list, err
}

// incidents reads a list, with what fires and what waits for a person in each.
func incidents(tx Tx, open bool, limit int) ([]Incident, error) {
	rows, err := tx.Incidents(open, limit)
	if err != nil {
		return nil, err
	}
	firing, err := tx.FiringEpisodes()
	if err != nil {
		return nil, err
	}
	attempts, err := tx.OpenAttempts()
	if err != nil {
		return nil, err
	}
	count, waiting := map[int64]int{}, map[int64][]int64{}
	for _, e := range firing {
		count[e.Incident]++
	}
	for _, a := range attempts {
		if a.State == receiver.AttemptProposed {
			waiting[a.Incident] = append(waiting[a.Incident], a.ID)
		}
	}
	list := make([]Incident, 0, len(rows))
	for _, i := range rows {
		list = append(list, Incident{Incident: i, Firing: count[i.ID], Approvals: waiting[i.ID]})
	}
	return list, nil
}

func (h *Handler) showIncident(c call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	var d Detail
	err = h.o.Store.View(c.Context(), func(tx Tx) (err error) {
		d, err = detail(tx, id)
		return err
	})
	return d, err
}

func detail(tx Tx, id int64) (d Detail, err error) {
	d.Now = tx.Now()
	if d.Incident.Incident, err = tx.Incident(id); err != nil {
		return d, err
	}
	if d.Episodes, err = tx.Episodes(id); err != nil {
		return d, err
	}
	attempts, err := tx.Attempts(id)
	if err != nil {
		return d, err
	}
	if d.Pages, err = tx.Pages(id); err != nil {
		return d, err
	}
	if d.Timeline, err = tx.Events(id); err != nil {
		return d, err
	}
	d.Attempts = withHash(attempts...)
	for _, e := range d.Episodes {
		if e.Firing() {
			d.Incident.Firing++
		}
	}
	for _, a := range attempts {
		if a.State == receiver.AttemptProposed {
			d.Incident.Approvals = append(d.Incident.Approvals, a.ID)
		}
	}
	return d, nil
}

// AckRequest is the body of an acknowledgement.
type AckRequest struct {
	By  string         `json:"by,omitempty"`
	For model.Duration `json:"for,omitempty"` // the configured ack_for when it is absent
}

// maxAck bounds an acknowledgement: what lasts longer is a silence, and belongs into Alertmanager.
const maxAck = 7 * 24 * time.Hour

func (h *Handler) ack(c call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	var req AckRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	person, err := c.named(req.By)
	if err != nil {
		return nil, err
	}
	lasts := time.Duration(req.For)
	if lasts == 0 {
		lasts = h.o.Policies().AckFor
	}
	if lasts < time.Minute || lasts > maxAck {
		return nil, bad("an acknowledgement lasts from 1m to 7d, not %s: for longer, silence the alert in Alertmanager", model.Duration(lasts))
	}
	var result incident.Answer
	err = h.o.Store.Update(c.Context(), func(tx Tx) (err error) {
		result, err = incident.Ack(tx, id, person, lasts)
		return err
	})
	if err != nil {
		return nil, err
	}
	if result.Done {
		h.o.Logger.Info("Incident acknowledged", "incident", id, "person", person, "for", lasts)
		h.o.Wake()
	}
	return Outcome(result), nil
}

// ResolveRequest is the body of a resolution.
type ResolveRequest struct {
	By string `json:"by,omitempty"`
}

func (h *Handler) close(c call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	var req ResolveRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	person, err := c.named(req.By)
	if err != nil {
		return nil, err
	}
	var result incident.Answer
	err = h.o.Store.Update(c.Context(), func(tx Tx) (err error) {
		result, err = incident.Close(tx, id, person)
		return err
	})
	if err != nil {
		return nil, err
	}
	if result.Done {
		h.o.Logger.Info("Incident resolved", "incident", id, "person", person)
		h.o.Wake()
	}
	return Outcome(result), nil
}
