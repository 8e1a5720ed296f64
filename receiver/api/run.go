package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/policy"
)

// PlanRequest names a configured repair, with labels as an alert would have them.
type PlanRequest struct {
	Policy string            `json:"policy"`
	Step   int               `json:"step"` // from 0
	Labels map[string]string `json:"labels,omitempty"`
}

// Planned is what a repair would do now.
type Planned struct {
	Plan *receiver.Plan `json:"plan,omitempty"` // absent when there is nothing to do
	Hash string         `json:"hash,omitempty"`
	Text string         `json:"text"`
}

// RunRequest asks for exactly the plan that was shown.
type RunRequest struct {
	PlanRequest
	Hash string `json:"hash"`
	By   string `json:"by,omitempty"`
}

// Started names the attempt of a run.
type Started struct {
	Attempt int64 `json:"attempt"`
	Outcome
}

const planTimeout = 10 * time.Second

// step finds what a request names.
func (h *Handler) step(r PlanRequest) (*policy.Policy, policy.Step, error) {
	set := h.o.Policies()
	p, ok := set.Get(r.Policy)
	if !ok {
		var names []string
		for _, p := range set.Policies {
			if len(p.Repair) > 0 {
				names = append(names, p.Name)
			}
		}
		if len(names) == 0 {
			return nil, policy.Step{}, missing("no policy configures a repair")
		}
		return nil, policy.Step{}, missing("there is no policy %q: want one of %s", r.Policy, strings.Join(names, ", "))
	}
	if r.Step < 0 || r.Step >= len(p.Repair) {
		return nil, policy.Step{}, missing("policy %s has %d repair steps: there is no step %d (counted from 0)", p.Name, len(p.Repair), r.Step)
	}
	return p, p.Repair[r.Step], nil
}

func (h *Handler) plan(c call) (any, error) {
	var req PlanRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	_, step, err := h.step(req)
	if err != nil {
		return nil, err
	}
	params, resource, err := h.resolve(step, req.Labels)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(c.Context(), planTimeout, errors.New("planning took too long"))
	defer cancel()
	a, _ := h.o.Actions.Get(step.Action)
	plan, err := a.Plan(ctx, params)
	if errors.Is(err, action.ErrNothingToDo) {
		return Planned{Text: err.Error()}, nil
	}
	if err != nil {
		return nil, &Error{Status: http.StatusBadGateway, Code: "plan", Text: "the plan could not be made: " + err.Error()}
	}
	plan.Action, plan.Resource = step.Action, resource
	if err := h.o.Store.View(ctx, func(tx Tx) error { plan.Made = tx.Now(); return nil }); err != nil {
		return nil, err
	}
	h.shown.keep(plan)
	return Planned{Plan: &plan, Hash: plan.Hash(), Text: plan.Summary}, nil
}

// run asks the engine for an attempt: it goes through the guards that hold for a person's run, and does what was shown or
// less.
func (h *Handler) run(c call) (any, error) {
	var req RunRequest
	if err := c.decode(&req); err != nil {
		return nil, err
	}
	if len(req.Hash) != 64 {
		return nil, bad("hash is missing: plan first, and give the hash of the plan that you have looked at")
	}
	person, err := c.named(req.By)
	if err != nil {
		return nil, err
	}
	p, step, err := h.step(req.PlanRequest)
	if err != nil {
		return nil, err
	}
	params, resource, err := h.resolve(step, req.Labels)
	if err != nil {
		return nil, err
	}
	priority := receiver.P2
	if p.Priority != nil {
		priority = *p.Priority
	}
	var result Started
	err = h.o.Store.Update(c.Context(), func(tx Tx) error {
		open, err := tx.OpenAttempts()
		if err != nil {
			return err
		}
		for _, a := range open {
			if a.Episode == 0 && a.Policy == p.Name && a.Step == req.Step && a.Approval == req.Hash {
				result = Started{a.ID, outcome(false, "attempt %d, asked for by %s, is at this plan already; it is %s", a.ID, a.By, a.State)}
				return nil
			}
		}
		a := receiver.Attempt{
			Policy: p.Name, Step: req.Step, Priority: priority, Action: step.Action, Resource: resource, Params: params, Mode: receiver.ModeAuto,
			State: receiver.AttemptWaiting, By: person, Approval: req.Hash, Created: tx.Now(), Due: tx.Now(),
		}
		if a.ID, err = tx.InsertAttempt(a); err != nil {
			return err
		}
		result = Started{a.ID, outcome(true, "attempt %d: %s on %s for %s", a.ID, step.Action, resource, person)}
		if a.Plan = h.shown.find(req.Hash, tx.Now()); a.Plan == nil {
			return nil
		}
		return tx.SaveAttempt(a)
	})
	if err != nil {
		return nil, err
	}
	if result.Done {
		h.o.Logger.Info("Run asked for by a person", "attempt", result.Attempt, "policy", p.Name, "action", step.Action, "resource", resource, "person", person)
		h.o.Wake()
	}
	return result, nil
}

func (h *Handler) listAttempts(c call) (any, error) {
	n, err := limit(c.Request, 20)
	if err != nil {
		return nil, err
	}
	var list []receiver.Attempt
	err = h.o.Store.View(c.Context(), func(tx Tx) (err error) {
		list, err = tx.RecentAttempts(n)
		return err
	})
	return withHash(list...), err
}

func (h *Handler) showAttempt(c call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	var a receiver.Attempt
	err = h.o.Store.View(c.Context(), func(tx Tx) (err error) {
		a, err = tx.Attempt(id)
		return err
	})
	return withHash(a)[0], err
}
