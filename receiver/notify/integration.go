package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	amnotify "github.com/prometheus/alertmanager/notify"

	"github.com/chronoops/chronoops/receiver"
)

// sender delivers a notice over one channel. The error is raw: the Notifier cleans it.
type sender interface {
	send(ctx context.Context, n receiver.Notice) (verdict, error)
}

// integration sends through one of Alertmanager's own.
type integration struct {
	inner    amnotify.Integration
	instance string
	name     string        // of the receiver, as templates and webhook bodies see it
	turn     chan struct{} // nil, or one at a time: the integration writes to itself while sending
}

func newIntegration(inner amnotify.Integration, instance, name string) *integration {
	i := &integration{inner: inner, instance: instance, name: name}
	if inner.Name() == "telegram" {
		i.turn = make(chan struct{}, 1)
	}
	return i
}

func (i *integration) send(ctx context.Context, n receiver.Notice) (verdict, error) {
	if i.turn != nil {
		select {
		case i.turn <- struct{}{}:
			defer func() { <-i.turn }()
		case <-ctx.Done():
			return verdict{outcome: receiver.SendRetry, reason: "timeout"}, ctx.Err()
		}
	}
	var f flight
	retry, err := i.inner.Notify(f.watch(noticeContext(ctx, n, i.inner.Name(), i.instance, i.name)), alert(n, i.inner.Name()))
	if err != nil {
		return judge(err, retry, &f), err
	}
	return verdict{outcome: receiver.SendDelivered}, nil
}

// noticeContext carries what Alertmanager's dispatcher would have told its integrations.
func noticeContext(ctx context.Context, n receiver.Notice, kind, instance, name string) context.Context {
	reason := amnotify.ReasonFirstNotification
	switch {
	case n.Kind.Closes():
		reason = amnotify.ReasonAllAlertsResolved
	case n.Repeated:
		reason = amnotify.ReasonRepeatIntervalElapsed
	}
	ctx = amnotify.WithGroupKey(ctx, groupKey(n, instance))
	ctx = amnotify.WithReceiverName(ctx, name)
	ctx = amnotify.WithGroupLabels(ctx, groupLabels(bounded(n), harmless(kind)))
	ctx = amnotify.WithNow(ctx, n.Now)
	ctx = amnotify.WithRepeatInterval(ctx, time.Hour)
	return amnotify.WithNotificationReason(ctx, reason)
}

// groupKey is what providers tell incidents apart by: firing and resolved of one incident meet at it. Numbers begin
// again with a new store, so the incident's beginning is part of it.
func groupKey(n receiver.Notice, instance string) string {
	if n.Incident == 0 {
		return fmt.Sprintf("chronoops/%s/%s", instance, pageKey(n))
	}
	return fmt.Sprintf("chronoops/%s/incident/%d/%d", instance, n.Incident, n.Since.Unix())
}

// pageKey is the same for a page and its repeat, and for no other page, not even of an earlier store.
func pageKey(n receiver.Notice) string { return fmt.Sprintf("page/%s/%d", n.ID, n.Since.Unix()) }

// guarded turns a panic of somebody else's code into an error: paging goes on.
func guarded(ctx context.Context, s sender, n receiver.Notice) (v verdict, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = verdict{outcome: receiver.SendUnknown, reason: "panic"}, errors.Join(errPanic, fmt.Errorf("%v", r))
		}
	}()
	return s.send(ctx, n)
}

var errPanic = errors.New("the integration panicked")
