package api

import (
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

// ApprovalRequest is the body of an approval or a rejection.
type ApprovalRequest struct {
	Attempt int64  `json:"attempt"`
	Hash    string `json:"hash"` // of the plan that the person was shown
	Reason  string `json:"reason,omitempty"`
	By      string `json:"by,omitempty"`
}

const maxReason = 300 // bytes

func (r ApprovalRequest) check() error {
	switch {
	case r.Attempt < 1:
		return bad("attempt is missing: name the attempt, as the incident shows it")
	case r.Hash == "":
		return bad("hash is missing: give plan_hash of the plan that you have looked at")
	case len(r.Reason) > maxReason:
		return bad("reason is longer than %d bytes", maxReason)
	}
	return nil
}

func (h *Handler) approve(c call) (any, error) {
	return h.settle(c, func(tx Tx, a receiver.Attempt, req ApprovalRequest, person string) (Outcome, error) {
		if a.State != receiver.AttemptProposed && a.Approval == req.Hash {
			return outcome(false, "attempt %d was approved by %s already; it is %s", a.ID, a.Approved, a.State), nil
		}
		if err := checkProposal(tx, a, req.Hash); err != nil {
			return Outcome{}, err
		}
		a.State, a.Approval, a.Approved, a.Due = receiver.AttemptWaiting, req.Hash, person, tx.Now()
		a.Guard, a.Reason = "", "approved by "+person
		return h.record(tx, a, "approved", person, withReason(fmt.Sprintf("approved %s: %s", a.Action, a.Plan.Summary), req.Reason))
	})
}

func (h *Handler) reject(c call) (any, error) {
	return h.settle(c, func(tx Tx, a receiver.Attempt, req ApprovalRequest, person string) (Outcome, error) {
		if a.State == receiver.AttemptRefused && a.Guard == "approval" {
			return outcome(false, "attempt %d is refused already: %s", a.ID, a.Reason), nil
		}
		if err := checkProposal(tx, a, req.Hash); err != nil {
			return Outcome{}, err
		}
		a.State, a.Guard, a.Reason = receiver.AttemptRefused, "approval", withReason("rejected by "+person, req.Reason)
		a.Ended, a.Due = tx.Now(), time.Time{}
		return h.record(tx, a, "rejected", person, withReason("rejected "+a.Action, req.Reason))
	})
}

// checkProposal binds a person's word to exactly the plan that the person has seen, while it still waits.
func checkProposal(tx Tx, a receiver.Attempt, hash string) error {
	switch {
	case a.State != receiver.AttemptProposed || a.Plan == nil:
		why := ""
		if a.Reason != "" {
			why = ": " + a.Reason
		}
		return conflict("not_proposed", "attempt %d waits for nobody's approval, it is %s%s", a.ID, a.State, why)
	// The engine may be at work on a row that is due.
	case !tx.Now().Before(a.Due):
		return conflict("expired", "too late: the plan of attempt %d waited for approval until %s", a.ID, a.Due.Format(time.RFC3339))
	case a.Plan.Hash() == "" || a.Plan.Hash() != hash:
		return conflict("plan_changed", "the plan of attempt %d is not the one that you were shown: look at it again", a.ID)
	}
	return nil
}

func (h *Handler) settle(c call, do func(Tx, receiver.Attempt, ApprovalRequest, string) (Outcome, error)) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	var req ApprovalRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	person, err := c.named(req.By)
	if err != nil {
		return nil, err
	}
	var result Outcome
	err = h.o.Store.Update(c.Context(), func(tx Tx) error {
		a, err := tx.Attempt(req.Attempt)
		if err != nil {
			return err
		}
		if a.Incident != id {
			return missing("incident %d has no attempt %d", id, req.Attempt)
		}
		result, err = do(tx, a, req, person)
		return err
	})
	if err != nil {
		return nil, err
	}
	if result.Done {
		h.o.Logger.Info("Plan settled by a person", "incident", id, "attempt", req.Attempt, "person", person, "outcome", result.Text)
		h.o.Wake()
	}
	return result, nil
}

// record writes what a person has decided about an attempt, and frees the row for the engine.
func (h *Handler) record(tx Tx, a receiver.Attempt, kind, person, text string) (Outcome, error) {
	a.Lease.Owner, a.Lease.Tries = "", 0
	if err := tx.SaveAttempt(a); err != nil {
		return Outcome{}, err
	}
	err := tx.AddEvent(receiver.Event{Incident: a.Incident, Kind: kind, Actor: person, Text: text})
	return outcome(true, "%s", text), err
}

func withReason(text, reason string) string {
	if reason == "" {
		return text
	}
	return text + " (" + reason + ")"
}
