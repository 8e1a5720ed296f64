package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/escalation"
)

const (
	maxSends     = 6                // of one page that its provider does not take
	retryFirst   = 5 * time.Second  // doubles with every send
	repeatAfter  = 5 * time.Second  // an ambiguous send is repeated once, marked
	errorBackoff = 10 * time.Second // for an incident whose step failed
)

// pageWork is what one step of the page lane has claimed.
type pageWork struct {
	incident receiver.Incident // escalated already, in the claiming transaction
	page     receiver.Page
	notice   receiver.Notice
	send     bool
}

// stepPage escalates one incident or sends one page, the most urgent first. Escalating touches nothing outside, so claim
// and outcome are one transaction; that a page is being sent is committed before its provider is called.
func (e *Engine) stepPage(ctx context.Context) (bool, error) {
	var w pageWork
	err := e.o.Store.Update(ctx, func(tx Tx) error {
		w = pageWork{}
		for _, p := range priorities {
			if worked, err := e.claimPage(tx, p, &w); worked || err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && w.incident.ID != 0 {
		return false, errors.Join(fmt.Errorf("escalate incident %d: %w", w.incident.ID, err), e.postpone(ctx, w.incident.ID))
	}
	if err != nil && w.page.ID != 0 {
		return false, errors.Join(fmt.Errorf("prepare page %d: %w", w.page.ID, err), e.postponePage(ctx, w.page))
	}
	if err != nil || !w.send {
		return w.incident.ID != 0 || w.page.ID != 0, err
	}
	return true, e.send(ctx, w)
}

func (e *Engine) claimPage(tx Tx, p receiver.Priority, w *pageWork) (worked bool, err error) {
	i, ok, err := tx.ClaimIncident(e.o.Owner, lease, p)
	if err != nil {
		return false, err
	}
	if ok {
		w.incident = i
		return true, e.escalate(tx, i)
	}
	page, ok, err := tx.ClaimPage(e.o.Owner, lease, p)
	if err != nil || !ok {
		return false, err
	}
	w.page = page
	return true, e.prepare(tx, w)
}

// postpone keeps an incident whose step failed from blocking the others.
func (e *Engine) postpone(ctx context.Context, id int64) error {
	return e.o.Store.Update(ctx, func(tx Tx) error {
		i, err := tx.Incident(id)
		if err != nil || !i.Open() {
			return err
		}
		i.Due, i.Lease.Owner = tx.Now().Add(errorBackoff), ""
		return tx.SaveIncident(i)
	})
}

// postponePage keeps a page that cannot be written from blocking the others.
func (e *Engine) postponePage(ctx context.Context, page receiver.Page) error {
	return e.o.Store.Update(ctx, func(tx Tx) error {
		pages, err := tx.Pages(page.Incident)
		for _, p := range pages {
			if p.ID == page.ID && !p.Due.IsZero() {
				p.Due, p.Lease.Owner = tx.Now().Add(errorBackoff), ""
				return tx.SavePage(p)
			}
		}
		return err
	})
}

func (e *Engine) escalate(tx Tx, i receiver.Incident) error {
	list, err := tx.Episodes(i.ID)
	if err != nil {
		return err
	}
	set := e.o.Policies()
	if len(i.Ladder.Levels) == 0 {
		// A ladder is frozen so that nobody is left out of it; one without levels leaves everybody out.
		i.Ladder = set.Ladder(i.Ladder.Name)
	}
	step := escalation.Next(escalation.Input{
		Now: tx.Now(), Incident: i, Episodes: list, Hold: set.Hold,
		Reachable: func(roles []string) bool { return len(e.channels(roles)) > 0 },
	})
	step.Incident.Lease.Owner, step.Incident.Lease.Tries = "", 0
	if err := tx.SaveIncident(step.Incident); err != nil {
		return err
	}
	for _, c := range e.channels(step.Roles) {
		_, err := tx.InsertPage(receiver.Page{
			Incident: i.ID, Kind: receiver.NoticeFiring, Level: step.Incident.Level, Role: c.role, Channel: c.id, Priority: i.Priority,
			Why: step.Why, State: receiver.PagePending, Created: tx.Now(), Due: tx.Now(),
		})
		if err != nil {
			return err
		}
	}
	switch {
	case len(step.Roles) > 0:
		text := fmt.Sprintf("paging level %d: %s", step.Incident.Level, strings.Join(step.Roles, ", "))
		if step.Why != "" {
			text += " (" + step.Why + ")"
		}
		return note(tx, i.ID, "escalate", text)
	case step.Why != "":
		return note(tx, i.ID, "escalate", step.Why)
	}
	return nil
}

// channel is one way to reach one person in a role.
type channel struct{ role, id string }

// channels lists every channel of the roles once.
func (e *Engine) channels(roles []string) (list []channel) {
	seen := map[string]bool{}
	for _, role := range roles {
		for _, id := range e.o.Pager.Channels(role) {
			if !seen[id] {
				seen[id] = true
				list = append(list, channel{role, id})
			}
		}
	}
	return list
}

// prepare writes what a claimed page says and marks it as being sent, unless it is no longer needed.
func (e *Engine) prepare(tx Tx, w *pageWork) error {
	if w.page.State == receiver.PageSending {
		// The process ended between the send and its outcome.
		return e.ambiguous(tx, w.page, "chronoops stopped while the page was being sent")
	}
	i, err := tx.Incident(w.page.Incident)
	if err != nil {
		return err
	}
	if w.page.Kind == receiver.NoticeFiring && !i.Open() {
		w.page.State, w.page.Due, w.page.Error, w.page.Lease.Owner = receiver.PageDropped, time.Time{}, "the incident has resolved", ""
		return tx.SavePage(w.page)
	}
	if w.page.Kind == receiver.NoticeFiring && i.Ack != nil && tx.Now().Before(i.Ack.Until) {
		// It was being sent when the person acknowledged; what the word does not cover has pages of its own.
		w.page.State, w.page.Due, w.page.Error, w.page.Lease.Owner = receiver.PageDropped, time.Time{}, "acknowledged by "+i.Ack.By, ""
		return tx.SavePage(w.page)
	}
	if w.page.Kind.Closes() && i.Open() {
		// It would arrive after the page about the new firing, and send people back to bed.
		w.page.State, w.page.Due, w.page.Error, w.page.Lease.Owner = receiver.PageDropped, time.Time{}, "the incident has reopened", ""
		return tx.SavePage(w.page)
	}
	if w.notice, err = e.notice(tx, i, w.page); err != nil {
		return err
	}
	w.send = true
	w.page.State = receiver.PageSending
	w.page.Sends++
	return tx.SavePage(w.page)
}

func (e *Engine) send(ctx context.Context, w pageWork) error {
	sendCtx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	sendErr := e.o.Pager.Send(sendCtx, w.page.Channel, w.notice)
	err := e.o.Store.Update(ctx, func(tx Tx) error { return e.sent(tx, w.page, sendErr) })
	if err != nil {
		return fmt.Errorf("record what became of page %d: %w", w.page.ID, err)
	}
	e.wake.ring()
	return nil
}

// sent records what became of a send.
func (e *Engine) sent(tx Tx, page receiver.Page, sendErr error) error {
	outcome := receiver.OutcomeOf(sendErr)
	e.o.Metrics.paged(page, outcome)
	page.Lease.Owner, page.Lease.Tries = "", 0
	switch outcome {
	case receiver.SendDelivered:
		page.State, page.Sent, page.Due, page.Error = receiver.PageSent, tx.Now(), time.Time{}, ""
		if err := tx.SavePage(page); err != nil {
			return err
		}
		return note(tx, page.Incident, "page", describe(page, "sent"))
	case receiver.SendUnwanted:
		page.State, page.Due, page.Error = receiver.PageDropped, time.Time{}, "the channel does not take this kind"
		return tx.SavePage(page)
	case receiver.SendRetry:
		if page.Sends < maxSends {
			page.State, page.Error, page.Due = receiver.PagePending, clip(sendErr.Error()), tx.Now().Add(e.retryIn(page, sendErr))
			return tx.SavePage(page)
		}
		return e.giveUp(tx, page, sendErr.Error())
	case receiver.SendRefused:
		return e.giveUp(tx, page, sendErr.Error())
	case receiver.SendUnknown:
	}
	return e.ambiguous(tx, page, sendErr.Error())
}

func (e *Engine) retryIn(page receiver.Page, err error) time.Duration {
	wait := retryFirst << min(page.Sends-1, 4)
	if s, ok := errors.AsType[*receiver.SendError](err); ok && s.RetryAfter > wait {
		return min(s.RetryAfter, page.Priority.ResponseTarget())
	}
	return wait
}

// ambiguous handles a page that may have arrived. P0 and P1 get one repeat that says so; P2 goes to the next level.
func (e *Engine) ambiguous(tx Tx, page receiver.Page, why string) error {
	page.Error, page.Lease.Owner, page.Lease.Tries = clip(why), "", 0
	if !page.Repeated && page.Priority < receiver.P2 {
		page.State, page.Repeated, page.Due = receiver.PagePending, true, tx.Now().Add(repeatAfter)
		if err := tx.SavePage(page); err != nil {
			return err
		}
		return note(tx, page.Incident, "page", describe(page, "may not have arrived and is repeated once, marked")+": "+page.Error)
	}
	page.State, page.Due = receiver.PageAmbiguous, time.Time{}
	if err := tx.SavePage(page); err != nil {
		return err
	}
	if err := note(tx, page.Incident, "page", describe(page, "may not have arrived")+": "+page.Error); err != nil {
		return err
	}
	return e.hurry(tx, page)
}

func (e *Engine) giveUp(tx Tx, page receiver.Page, why string) error {
	page.State, page.Due, page.Error = receiver.PageFailed, time.Time{}, clip(why)
	if err := tx.SavePage(page); err != nil {
		return err
	}
	if err := note(tx, page.Incident, "page", describe(page, "could not be delivered")+": "+page.Error); err != nil {
		return err
	}
	return e.hurry(tx, page)
}

// hurry makes the next level due at once when no page of the current one has reached anybody, or still can.
func (e *Engine) hurry(tx Tx, page receiver.Page) error {
	i, err := tx.Incident(page.Incident)
	if err != nil || !i.Open() || i.Ack != nil || i.Level != page.Level || page.Kind != receiver.NoticeFiring {
		return err
	}
	pages, err := tx.Pages(page.Incident)
	if err != nil {
		return err
	}
	for _, p := range pages {
		// Pages of earlier rounds say nothing about this one.
		if p.Kind != receiver.NoticeFiring || p.Level != page.Level || p.Created.Before(page.Created) {
			continue
		}
		switch p.State {
		case receiver.PageSent, receiver.PagePending, receiver.PageSending:
			return nil
		case receiver.PageFailed, receiver.PageAmbiguous, receiver.PageDropped:
		}
	}
	i.Due = minTime(i.Due, tx.Now().Add(time.Minute))
	// Without a further level this one is repeated, and at once that would hammer a provider that refuses.
	further := func(l receiver.Level) bool { return len(e.channels(l.Roles)) > 0 }
	if i.Level < len(i.Ladder.Levels) && slices.ContainsFunc(i.Ladder.Levels[i.Level:], further) {
		i.Due = tx.Now()
	}
	return tx.SaveIncident(i)
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func describe(page receiver.Page, what string) string {
	return fmt.Sprintf("level %d, %s (%s): %s", page.Level, page.Role, page.Channel, what)
}
