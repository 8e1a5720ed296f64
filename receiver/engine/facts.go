package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/guard"
	"github.com/chronoops/chronoops/receiver/policy"
)

// work is an attempt together with what the configuration in force says about it.
type work struct {
	attempt receiver.Attempt
	set     *policy.Set
	policy  *policy.Policy
	step    *policy.Step
	action  action.Action
}

// look reads the configuration in force for an attempt. What is no longer configured stays nil.
func (e *Engine) look(a receiver.Attempt) work {
	w := work{attempt: a, set: e.o.Policies()}
	w.action, _ = e.o.Actions.Get(a.Action)
	p, ok := w.set.Get(a.Policy)
	if !ok {
		return w
	}
	w.policy = p
	if a.Step < len(p.Repair) && p.Repair[a.Step].Action == a.Action {
		w.step = &p.Repair[a.Step]
	}
	return w
}

// stale reports whether an approved plan was kept from running for so long that a person must see a new one. An approval
// holds at least as long as a proposal waits for it.
func (w work) stale(now time.Time) bool {
	p := w.attempt.Plan
	return p != nil && w.attempt.Approval != "" && now.Sub(p.Made) > 2*w.set.ApprovalFor
}

// gather reads everything that guards look at, in one transaction.
func (e *Engine) gather(tx Tx, w work) (guard.Facts, action.Params, error) {
	f := guard.Facts{
		Now: tx.Now(), Attempt: w.attempt, Policy: w.policy, Step: w.step, Ceiling: w.set.Mode,
		Person: w.attempt.Episode == 0, Owned: true,
	}
	if p := w.attempt.Plan; p != nil && w.attempt.Approval != "" {
		f.Approved = w.attempt.Approval == p.Hash() && !w.stale(f.Now)
	}
	f.StopFile, f.StopErr = e.o.StopFile()
	var err error
	if f.Pauses, err = tx.Pauses(); err != nil {
		return f, nil, err
	}
	if !f.Person {
		if f.Episode, err = tx.Episode(w.attempt.Episode); err != nil {
			return f, nil, err
		}
		if f.Incident, err = tx.Incident(w.attempt.Incident); err != nil {
			return f, nil, err
		}
		if w.policy != nil && len(w.policy.Unless) > 0 {
			if f.Firing, err = tx.FiringEpisodes(); err != nil {
				return f, nil, err
			}
		}
		f.Owned = w.set.Owns.Matches(f.Episode.Labels)
	}
	params := e.resolve(&f, w)
	f.History, err = tx.AttemptHistory(w.attempt.Policy, w.attempt.Step, f.Resource, w.attempt.Episode)
	return f, params, err
}

// resolve fills the parameters from the alert's labels and names the resource.
func (e *Engine) resolve(f *guard.Facts, w work) (params action.Params) {
	switch {
	case w.step == nil:
		return nil // the mode guard says so
	case w.action == nil:
		f.ResourceErr = fmt.Errorf("action %q is not known", w.attempt.Action)
		return nil
	case f.Person:
		params = w.attempt.Params
	default:
		if params, f.ResourceErr = w.action.Spec().Resolve(w.step.With, f.Episode.Labels); f.ResourceErr != nil {
			return nil
		}
	}
	f.Resource, f.ResourceErr = w.action.Resource(params)
	return params
}

// ask is the live look at Alertmanager.
func (e *Engine) ask(ctx context.Context, ep receiver.Episode) *guard.Live {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	state, err := e.o.Alertmanager.Lookup(ctx, ep.Source, ep.Labels)
	return &guard.Live{State: state, Err: err}
}
