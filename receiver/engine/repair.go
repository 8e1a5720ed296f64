package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/guard"
)

// stepRepair claims one attempt and carries it one state further.
func (e *Engine) stepRepair(ctx context.Context, of []receiver.Priority) (bool, error) {
	a, ok, err := e.claimAttempt(ctx, of)
	if err != nil || !ok {
		return false, err
	}
	w := e.look(a)
	switch {
	case e.running(a.ID):
		return true, e.keepLease(ctx, a)
	case a.Lease.Tries > maxTries:
		return true, e.quarantine(ctx, w)
	case a.State == receiver.AttemptWaiting, a.State == receiver.AttemptBlocked:
		return true, e.decide(ctx, w)
	case a.State == receiver.AttemptProposed:
		return true, e.expire(ctx, w)
	case a.State == receiver.AttemptStarted:
		return true, e.recover(ctx, w)
	case a.State == receiver.AttemptApplied:
		return true, e.verify(ctx, w)
	case a.State == receiver.AttemptUndoing:
		return true, e.unknown(ctx, w, "chronoops stopped while it was taking the effect back")
	}
	return true, fmt.Errorf("attempt %d is due in state %s", a.ID, a.State)
}

func (e *Engine) claimAttempt(ctx context.Context, of []receiver.Priority) (a receiver.Attempt, ok bool, err error) {
	err = e.o.Store.Update(ctx, func(tx Tx) error {
		for _, p := range of {
			if a, ok, err = tx.ClaimAttempt(e.o.Owner, lease, p); err != nil || ok {
				return err
			}
		}
		return nil
	})
	return a, ok, err
}

// decide asks the guards, plans, asks again, and then acts or says why it does not.
func (e *Engine) decide(ctx context.Context, w work) error {
	f, params, err := e.facts(ctx, w)
	if err != nil {
		return err
	}
	if v := guard.Evaluate(f); !v.OK() {
		if v.Guard == guard.Pause {
			v.Reason += e.wouldDo(ctx, &w, f, params)
		}
		return e.refuse(ctx, w, v)
	}
	plan, err := e.plan(ctx, w, f.Resource, params)
	if errors.Is(err, action.ErrNothingToDo) {
		return e.nothingToDo(ctx, w, err)
	}
	if err != nil {
		return e.refuse(ctx, w, guard.Verdict{Guard: "plan", Reason: fmt.Sprintf("the plan could not be made: %v", err)})
	}
	// What a person approved is applied as it was shown, or a subset of it: never what has been found since.
	shown := w.attempt.Plan
	approved := shown != nil && w.attempt.Approval != "" && w.attempt.Approval == shown.Hash() && shown.SameTerms(plan)
	switch {
	case w.stale(f.Now):
		approved, w.attempt.Plan = false, &plan
	case !approved:
		approved = w.attempt.Approval != "" && w.attempt.Approval == plan.Hash()
		w.attempt.Plan = &plan
	}
	w.attempt.Resource, w.attempt.Params, w.attempt.Mode = f.Resource, params, guard.Mode(f)
	switch {
	case w.attempt.Mode == receiver.ModeShadow:
		return e.shadow(ctx, w)
	case w.attempt.Mode == receiver.ModeApprove && !approved:
		return e.propose(ctx, w)
	case f.Person && !approved:
		return e.refuse(ctx, w, guard.Verdict{Guard: "approval", Reason: "the plan is no longer the one that was shown: plan again", Final: true})
	}
	var live *guard.Live
	if !f.Person {
		live = e.ask(ctx, f.Episode)
	}
	return e.act(ctx, w, live)
}

// wouldDo says what a paused repair would do, and keeps the plan to show it. Reading is all that happens.
func (e *Engine) wouldDo(ctx context.Context, w *work, f guard.Facts, params action.Params) string {
	if w.attempt.Plan == nil && f.Resource != "" && f.ResourceErr == nil {
		if plan, err := e.plan(ctx, *w, f.Resource, params); err == nil {
			w.attempt.Plan, w.attempt.Resource, w.attempt.Params = &plan, f.Resource, params
		}
	}
	if w.attempt.Plan == nil {
		return ""
	}
	return "; it would " + lowerFirst(w.attempt.Plan.Summary)
}

// facts gathers for the first look. An alert that has not been heard of for a while is asked after, so that a long
// repeat_interval does not make it look old.
func (e *Engine) facts(ctx context.Context, w work) (f guard.Facts, params action.Params, err error) {
	err = e.o.Store.View(ctx, func(tx Tx) (err error) {
		f, params, err = e.gather(tx, w)
		return err
	})
	if err != nil || f.Person || w.policy == nil || f.Now.Sub(f.Episode.LastSeen) < time.Duration(w.policy.MaxAge)/2 {
		return f, params, err
	}
	if live := e.ask(ctx, f.Episode); live.Err != nil || live.State != guard.LiveActive {
		return f, params, nil
	}
	err = e.o.Store.Update(ctx, func(tx Tx) error {
		ep, err := tx.Episode(w.attempt.Episode)
		if err != nil || !ep.Firing() {
			return err
		}
		ep.LastSeen = tx.Now()
		if err := tx.SaveEpisode(ep); err != nil {
			return err
		}
		f, params, err = e.gather(tx, w)
		return err
	})
	return f, params, err
}

func (e *Engine) plan(ctx context.Context, w work, resource string, params action.Params) (receiver.Plan, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	plan, err := w.action.Plan(ctx, params)
	if err != nil {
		return plan, err
	}
	plan.Action, plan.Resource, plan.Made = w.attempt.Action, resource, e.o.Clock.Now()
	return plan, nil
}

// act commits the intent and runs the effect. Guards are asked once more inside the deciding transaction.
func (e *Engine) act(ctx context.Context, w work, live *guard.Live) error {
	var verdict guard.Verdict
	timeout := time.Duration(w.step.Timeout)
	err := e.o.Store.Update(ctx, func(tx Tx) error {
		verdict = guard.Verdict{}
		now := e.look(w.attempt) // a reload may have changed the policy while the plan was made
		f, _, err := e.gather(tx, now)
		if err != nil {
			return err
		}
		f.Acting, f.Live = true, live
		if verdict = guard.Evaluate(f); !verdict.OK() {
			return nil
		}
		if mode := guard.Mode(f); mode < w.attempt.Mode || f.Resource != w.attempt.Resource {
			verdict = guard.Verdict{Guard: "mode", Reason: "the configuration changed while the plan was made"}
			return nil
		}
		a := w.attempt
		a.State, a.Guard, a.Reason = receiver.AttemptStarted, "", ""
		a.Started, a.Due = tx.Now(), tx.Now()
		a.Lease = receiver.Lease{Owner: e.o.Owner, Until: tx.Now().Add(timeout + lease), Fence: a.Lease.Fence}
		if err := tx.SaveAttempt(a); err != nil {
			return err
		}
		w.attempt = a
		if err := e.setRepair(tx, a, receiver.RepairRunning); err != nil {
			return err
		}
		return note(tx, a.Incident, "started", fmt.Sprintf("%s on %s: %s", a.Action, a.Resource, a.Plan.Summary))
	})
	if err != nil {
		return err
	}
	if !verdict.OK() {
		return e.refuse(ctx, w, verdict)
	}
	e.wake.ring() // held pages learn that the repair has begun
	return e.apply(ctx, w, timeout)
}

// apply runs the effect of a committed intent, and commits its outcome.
func (e *Engine) apply(ctx context.Context, w work, timeout time.Duration) error {
	e.setRunning(w.attempt.ID, true)
	defer e.setRunning(w.attempt.ID, false)
	if late := e.o.Clock.Now().Sub(w.attempt.Started); late > beginWithin {
		// The process stood still after the commit: the world the plan saw is gone.
		return e.fail(ctx, w, fmt.Sprintf("nothing was changed: the effect would have begun %s after its decision", late.Truncate(time.Second)))
	}
	e.o.Logger.Info("Repair started", "attempt", w.attempt.ID, "policy", w.attempt.Policy, "action", w.attempt.Action, "resource", w.attempt.Resource)
	effect, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%s did not end within %s", w.attempt.Action, timeout))
	result, err := w.action.Apply(effect, *w.attempt.Plan)
	cause := context.Cause(effect)
	cancel()
	switch {
	case err == nil:
		return e.applied(ctx, w, strings.Join(append([]string{result.Summary}, result.Details...), "\n"))
	case errors.Is(err, action.ErrNotApplied):
		return e.fail(ctx, w, fmt.Sprintf("%s failed: %v", w.attempt.Action, err))
	case cause != nil:
		return e.inspect(ctx, w, fmt.Sprintf("%v: %v", cause, err))
	case errors.Is(err, action.ErrUnknown):
		return e.inspect(ctx, w, err.Error())
	}
	return e.fail(ctx, w, fmt.Sprintf("%s failed: %v", w.attempt.Action, err))
}

// recover finds out about an attempt whose process ended between intent and outcome. It never acts again.
func (e *Engine) recover(ctx context.Context, w work) error {
	return e.inspect(ctx, w, "chronoops stopped while the repair was running")
}

// inspect asks the action what became of an effect.
func (e *Engine) inspect(ctx context.Context, w work, why string) error {
	inspector, ok := w.action.(action.Inspector)
	if !ok || w.attempt.Plan == nil {
		return e.untold(ctx, w, why+": whether it took effect cannot be told")
	}
	look, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	effect, err := inspector.Inspect(look, *w.attempt.Plan)
	switch {
	case err != nil:
		return e.untold(ctx, w, fmt.Sprintf("%s: whether it took effect could not be found out: %v", why, err))
	case effect == action.EffectApplied:
		return e.applied(ctx, w, why+"; the effect is there")
	case effect == action.EffectNotApplied:
		return e.fail(ctx, w, why+"; the effect is not there")
	}
	return e.untold(ctx, w, why+": whether it took effect cannot be told")
}

func (e *Engine) running(id int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.inFlight[id]
}

func (e *Engine) setRunning(id int64, running bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if running {
		e.inFlight[id] = true
	} else {
		delete(e.inFlight, id)
	}
}

// keepLease leaves a row to the worker of this process whose effect still runs, beyond its timeout. The claim has moved
// the fence, so that worker's outcome will be refused, and the row inspected once the effect has ended.
func (e *Engine) keepLease(ctx context.Context, a receiver.Attempt) error {
	return e.o.Store.Update(ctx, func(tx Tx) error { return tx.ExtendAttempt(a, tx.Now().Add(lease)) })
}
