package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/guard"
	"github.com/chronoops/chronoops/receiver/policy"
)

// verify takes one look at the target of an applied attempt.
func (e *Engine) verify(ctx context.Context, w work) error {
	if w.action == nil || w.attempt.Plan == nil {
		return e.unknown(ctx, w, "the action is no longer known: whether it worked cannot be told")
	}
	if w.step == nil {
		return e.unknown(ctx, w, "the step is no longer configured: whether it worked cannot be told")
	}
	how := w.step.Verify
	proof := e.prove(ctx, w, how)
	now := e.o.Clock.Now()
	late := now.Sub(w.attempt.Applied) >= time.Duration(how.Within)
	switch {
	case proof == nil && w.attempt.Cleared.IsZero():
		w.attempt.Cleared = now
		if how.HoldDown > 0 {
			return e.lookAgain(ctx, w, now.Add(min(time.Duration(how.Interval), time.Duration(how.HoldDown))), "")
		}
		return e.verified(ctx, w)
	case proof == nil && now.Sub(w.attempt.Cleared) >= time.Duration(how.HoldDown):
		return e.verified(ctx, w)
	case proof == nil:
		left := time.Duration(how.HoldDown) - now.Sub(w.attempt.Cleared)
		return e.lookAgain(ctx, w, now.Add(min(time.Duration(how.Interval), left)), "")
	case late && errors.Is(proof, action.ErrUnknown):
		return e.unknown(ctx, w, fmt.Sprintf("whether the repair worked could not be told within %s: %v", how.Within, proof))
	case late:
		return e.disproved(ctx, w, fmt.Sprintf("not repaired within %s: %v", how.Within, proof))
	}
	w.attempt.Cleared = time.Time{}
	return e.lookAgain(ctx, w, now.Add(time.Duration(how.Interval)), proof.Error())
}

// prove asks the action, then the outside proof, then whether the alert has cleared. An alert that cleared alone proves
// nothing: a false resolve looks the same. A look that was cut off could not tell.
func (e *Engine) prove(ctx context.Context, w work, how policy.Verify) (err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	defer func() {
		if err != nil && ctx.Err() != nil && !errors.Is(err, action.ErrUnknown) {
			err = fmt.Errorf("%w within %s: %w", action.ErrUnknown, lookTimeout, err)
		}
	}()
	if err := w.action.Verify(ctx, *w.attempt.Plan); err != nil {
		return err
	}
	if err := e.o.Prover.Prove(ctx, how); err != nil {
		return err
	}
	if w.attempt.Episode == 0 {
		return nil
	}
	return e.cleared(ctx, w.attempt)
}

// cleared believes the resolved message, and otherwise asks Alertmanager, as messages can be a group_interval late.
func (e *Engine) cleared(ctx context.Context, a receiver.Attempt) error {
	var ep receiver.Episode
	err := e.o.Store.View(ctx, func(tx Tx) (err error) {
		ep, err = tx.Episode(a.Episode)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: %w", action.ErrUnknown, err)
	}
	if !ep.Firing() {
		return nil
	}
	switch live := e.ask(ctx, ep); {
	case live.Err != nil:
		return fmt.Errorf("%w whether the alert has cleared: %w", action.ErrUnknown, live.Err)
	case live.State == guard.LiveAbsent:
		return nil
	case live.State == guard.LiveActive:
		return errors.New("the alert is still firing")
	}
	return fmt.Errorf("%w whether the alert has cleared: it is silenced or inhibited", action.ErrUnknown)
}

// lookAgain frees the row until the next look; what was seen is kept for a person.
func (e *Engine) lookAgain(ctx context.Context, w work, due time.Time, seen string) error {
	return e.o.Store.Update(ctx, func(tx Tx) error {
		a := w.attempt
		a.Due, a.Reason, a.Lease.Owner, a.Lease.Tries = due, clip(seen), "", 0
		return tx.SaveAttempt(a)
	})
}
