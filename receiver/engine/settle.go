package engine

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/guard"
	"github.com/chronoops/chronoops/receiver/incident"
)

// end is how an attempt goes on in the store: its next state, what the timeline says, and how the episode's repair stands.
type end struct {
	state  receiver.AttemptState
	guard  string
	reason string
	event  string
	repair receiver.RepairState // "" leaves it
	due    time.Time            // for states that are not final
	next   bool                 // another attempt may follow
	again  bool                 // the same step may be tried again, and no other
}

// finish writes an end in one transaction, and with it everything that follows: the next attempt, or the page.
func (e *Engine) finish(ctx context.Context, w work, to end) error {
	err := e.o.Store.Update(ctx, func(tx Tx) (err error) {
		a := w.attempt
		news := a.State != to.state || a.Guard != to.guard || a.Reason != clip(to.reason)
		a.State, a.Guard, a.Reason, a.Due = to.state, to.guard, clip(to.reason), to.due
		a.Lease.Owner, a.Lease.Tries = "", 0
		if a.State.Final() {
			a.Ended = tx.Now()
		}
		if a.State == receiver.AttemptApplied {
			a.Applied = tx.Now()
		}
		if err := tx.SaveAttempt(a); err != nil {
			return err
		}
		if to.event != "" && news {
			if err := note(tx, a.Incident, to.event, fmt.Sprintf("%s: %s", a.Action, clip(to.reason))); err != nil {
				return err
			}
		}
		repair := to.repair
		if to.next || to.again {
			followed, err := e.follow(tx, w, to.again)
			if err != nil {
				return err
			}
			if followed {
				repair = receiver.RepairRunning
			}
		}
		if repair == receiver.RepairNone && a.State != receiver.AttemptDropped {
			if repair, err = afterFailure(tx, a); err != nil {
				return err
			}
		}
		if repair != "" {
			if err := e.setRepair(tx, a, repair); err != nil {
				return err
			}
		}
		return e.conclude(tx, a)
	})
	if err != nil {
		return err
	}
	e.o.Metrics.settled(w.attempt, to.state, to.guard, e.o.Clock.Now())
	e.wake.ring()
	return nil
}

// afterFailure is how the repair of an episode stands when an attempt does not go on: failed, if one before it has failed,
// so that who acknowledged learns of it.
func afterFailure(tx Tx, a receiver.Attempt) (receiver.RepairState, error) {
	if a.Episode == 0 {
		return receiver.RepairNone, nil
	}
	list, err := tx.Attempts(a.Incident)
	for _, earlier := range list {
		if earlier.Episode == a.Episode && earlier.State == receiver.AttemptFailed {
			return receiver.RepairFailed, err
		}
	}
	return receiver.RepairNone, err
}

// conclude closes the incident of an attempt that has ended, if the alert has cleared. Not so when the effect happened and
// could not be proven: then people must look, although nothing fires any more.
func (e *Engine) conclude(tx Tx, a receiver.Attempt) error {
	switch {
	case a.Episode == 0 || !a.State.Final():
		return nil
	case a.State == receiver.AttemptVerified:
		if err := e.resolveEpisode(tx, a); err != nil {
			return err
		}
	case a.State == receiver.AttemptUnknown, a.State == receiver.AttemptFailed && !a.Applied.IsZero():
		return nil
	}
	return incident.CloseWhenDone(tx, a.Incident)
}

// resolveEpisode ends the episode of a verified attempt: Alertmanager has said that the alert is gone, and its message can be a
// group_interval late.
func (e *Engine) resolveEpisode(tx Tx, a receiver.Attempt) error {
	ep, err := tx.Episode(a.Episode)
	if err != nil || !ep.Firing() {
		return err
	}
	_, err = incident.Resolve(tx, receiver.Alert{Source: ep.Source, Key: ep.AlertKey, EndsAt: maxTime(tx.Now(), ep.StartsAt)})
	return err
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// follow inserts the attempt after one that did not repair, while the alert still fires: the policy's next step at once,
// or, after its cooldown, the last step again; with again only ever the same step. Only the next step lets the page wait.
func (e *Engine) follow(tx Tx, w work, again bool) (next bool, err error) {
	a := w.attempt
	if w.step == nil || a.Episode == 0 {
		return false, nil
	}
	ep, err := tx.Episode(a.Episode)
	if err != nil || !ep.Firing() {
		return false, err
	}
	following := receiver.Attempt{
		Incident: a.Incident, Episode: a.Episode, Policy: a.Policy, Step: a.Step + 1, Priority: a.Priority,
		Mode: receiver.Stricter(w.set.Mode, w.policy.Mode), State: receiver.AttemptWaiting, Created: tx.Now(), Due: tx.Now(),
	}
	text := "next step: "
	if again || a.Step+1 >= len(w.policy.Repair) {
		h, err := tx.AttemptHistory(a.Policy, a.Step, a.Resource, a.Episode)
		if err != nil || a.Started.IsZero() || h.InEpisode >= w.step.MaxAttempts {
			return false, err
		}
		following.Step, following.Due = a.Step, tx.Now().Add(time.Duration(w.step.Cooldown))
		text = fmt.Sprintf("to be tried again after %s: ", w.step.Cooldown)
	}
	following.Action = w.policy.Repair[following.Step].Action
	if _, err := tx.InsertAttempt(following); err != nil {
		return false, err
	}
	return following.Step != a.Step, note(tx, a.Incident, "next", text+following.Action)
}

// setRepair records how an episode's repair stands and lets the page lane look at the incident at once. A failed repair
// ends an acknowledgement: its people were shown another situation.
func (e *Engine) setRepair(tx Tx, a receiver.Attempt, repair receiver.RepairState) error {
	if a.Episode == 0 {
		return nil
	}
	ep, err := tx.Episode(a.Episode)
	if err != nil {
		return err
	}
	if ep.Repair == repair {
		return nil
	}
	ep.Repair = repair
	if err := tx.SaveEpisode(ep); err != nil {
		return err
	}
	i, err := tx.Incident(a.Incident)
	if err != nil || !i.Open() {
		return err
	}
	bad := repair == receiver.RepairFailed || repair == receiver.RepairUnknown
	switch {
	case bad && i.Ack != nil:
		i.Ack.Until, i.Due = tx.Now(), tx.Now()
	case i.Level == 0:
		i.Due = tx.Now()
	default:
		return nil
	}
	return tx.SaveIncident(i)
}

// refuse records a guard's refusal. One that may pass is looked at again; nobody waits for it meanwhile.
func (e *Engine) refuse(ctx context.Context, w work, v guard.Verdict) error {
	to := end{state: receiver.AttemptBlocked, guard: v.Guard, reason: v.Reason, event: "guard", repair: receiver.RepairNone}
	switch {
	case v.Drop:
		to.state, to.event = receiver.AttemptDropped, "dropped"
	case v.Final, w.attempt.Episode == 0:
		// A person who asked for a run gets the answer now, not when the guard has changed its mind.
		to.state = receiver.AttemptRefused
	default:
		to.due = e.o.Clock.Now().Add(e.o.Policies().Recheck)
	}
	return e.finish(ctx, w, to)
}

// nothingToDo goes on to the next step: the gentle one cannot help.
func (e *Engine) nothingToDo(ctx context.Context, w work, err error) error {
	return e.finish(ctx, w, end{
		state: receiver.AttemptRefused, guard: "plan", reason: err.Error(), event: "guard", repair: receiver.RepairNone, next: true,
	})
}

func (e *Engine) shadow(ctx context.Context, w work) error {
	return e.finish(ctx, w, end{
		state: receiver.AttemptShadowed, reason: "would " + lowerFirst(w.attempt.Plan.Summary), event: "shadow", repair: receiver.RepairNone,
	})
}

func (e *Engine) propose(ctx context.Context, w work) error {
	w.attempt.Approval, w.attempt.Approved = "", ""
	return e.finish(ctx, w, end{
		state: receiver.AttemptProposed, event: "proposed", repair: receiver.RepairNone, due: e.o.Clock.Now().Add(e.o.Policies().ApprovalFor),
		reason: fmt.Sprintf("%s; approve with `chronoops incident approve %d --attempt %d`", w.attempt.Plan.Summary, w.attempt.Incident, w.attempt.ID),
	})
}

func (e *Engine) expire(ctx context.Context, w work) error {
	return e.finish(ctx, w, end{
		state: receiver.AttemptRefused, guard: "approval", event: "guard", repair: receiver.RepairNone,
		reason: fmt.Sprintf("nobody approved the plan within %s", e.o.Policies().ApprovalFor),
	})
}

func (e *Engine) applied(ctx context.Context, w work, summary string) error {
	w.attempt.Result = clip(summary)
	return e.finish(ctx, w, end{
		state: receiver.AttemptApplied, reason: summary, event: "applied", repair: receiver.RepairRunning, due: e.o.Clock.Now(),
	})
}

func (e *Engine) verified(ctx context.Context, w work) error {
	took := e.o.Clock.Now().Sub(w.attempt.Started).Truncate(time.Second)
	return e.finish(ctx, w, end{
		state: receiver.AttemptVerified, event: "verified", repair: receiver.RepairVerified, reason: fmt.Sprintf("repaired and verified after %s", took),
	})
}

// fail ends an attempt that did not repair; the next step may follow, otherwise people are paged.
func (e *Engine) fail(ctx context.Context, w work, reason string) error {
	return e.finish(ctx, w, end{state: receiver.AttemptFailed, event: "failed", repair: receiver.RepairFailed, reason: reason, next: true})
}

// untold ends an attempt whose effect may or may not have happened. People are paged; what may safely run twice is tried
// again after its cooldown, through all guards, as far as max_attempts allows.
func (e *Engine) untold(ctx context.Context, w work, reason string) error {
	return e.finish(ctx, w, end{
		state: receiver.AttemptUnknown, event: "unknown", repair: receiver.RepairUnknown, reason: reason,
		again: w.action != nil && w.attempt.Plan != nil && action.Repeatable(w.action, *w.attempt.Plan),
	})
}

// unknown ends an attempt that nobody can tell about: people are paged, and no harsher step follows.
func (e *Engine) unknown(ctx context.Context, w work, reason string) error {
	return e.finish(ctx, w, end{state: receiver.AttemptUnknown, event: "unknown", repair: receiver.RepairUnknown, reason: reason})
}

// quarantine takes out a row that was claimed again and again without an outcome.
func (e *Engine) quarantine(ctx context.Context, w work) error {
	return e.unknown(ctx, w, fmt.Sprintf("given up after %d tries without an outcome: see the log", maxTries))
}

// disproved takes the effect back where the policy says so, then fails.
func (e *Engine) disproved(ctx context.Context, w work, reason string) error {
	roller, ok := w.action.(action.Roller)
	if !ok || w.step == nil || !w.step.Rollback {
		return e.fail(ctx, w, reason)
	}
	timeout := time.Duration(w.step.Timeout)
	var verdict guard.Verdict
	err := e.o.Store.Update(ctx, func(tx Tx) error {
		f, _, err := e.gather(tx, e.look(w.attempt)) // a rollback is an effect too: what stops repairs stops it
		if err != nil {
			return err
		}
		if verdict = guard.Undo(f); !verdict.OK() {
			return nil
		}
		a := w.attempt
		a.State, a.Reason, a.Due = receiver.AttemptUndoing, clip(reason), tx.Now()
		a.Lease = receiver.Lease{Owner: e.o.Owner, Until: tx.Now().Add(timeout + lease), Fence: a.Lease.Fence}
		if err := tx.SaveAttempt(a); err != nil {
			return err
		}
		w.attempt = a
		return note(tx, a.Incident, "rollback", fmt.Sprintf("%s: %s; taking the effect back", a.Action, reason))
	})
	if err != nil {
		return err
	}
	if !verdict.OK() {
		return e.fail(ctx, w, fmt.Sprintf("%s; the effect is not taken back: %s", reason, verdict.Reason))
	}
	e.setRunning(w.attempt.ID, true)
	defer e.setRunning(w.attempt.ID, false)
	undo, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := roller.Rollback(undo, *w.attempt.Plan)
	switch {
	case err == nil:
		return e.fail(ctx, w, reason+"; rolled back: "+result.Summary)
	case errors.Is(err, action.ErrNotApplied):
		return e.fail(ctx, w, fmt.Sprintf("%s; the rollback changed nothing: %v", reason, err))
	}
	return e.unknown(ctx, w, fmt.Sprintf("%s; the rollback failed: %v", reason, err))
}

const maxText = 1000 // characters of one text in the store

// clip bounds what actions and targets say.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + " …"
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || r < 'A' || r > 'Z' {
		return s
	}
	return string(r+'a'-'A') + s[n:]
}
