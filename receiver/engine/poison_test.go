package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/engine"
	"github.com/chronoops/chronoops/receiver/policy"
	"github.com/chronoops/chronoops/receiver/store"
)

// unreadable is a store whose rows of one incident cannot be read.
type unreadable struct {
	engineStore
	incident int64
}

func (s unreadable) Update(ctx context.Context, fn func(engine.Tx) error) error {
	return s.DB.Update(ctx, func(tx *store.Tx) error { return fn(unreadableTx{tx, s.incident}) })
}

type unreadableTx struct {
	*store.Tx
	incident int64
}

func (tx unreadableTx) Events(id int64) ([]receiver.Event, error) {
	if id == tx.incident {
		return nil, errors.New("malformed row")
	}
	return tx.Tx.Events(id)
}

// Invariant 3: a page that cannot be written does not keep the others from going out.
func TestInvariant3PageThatCannotBeWrittenBlocksNoOther(t *testing.T) {
	w := newWorld(t)
	w.engine = engine.New(engine.Options{
		Owner: "test", Store: unreadable{engineStore{w.db}, 1}, Clock: w.clock, Policies: func() *policy.Set { return w.set },
		Actions: action.NewRegistry(w.fix, w.next), Pager: w.pager, Alertmanager: w.am,
		Prover:   proverFunc(func(policy.Verify) error { return nil }),
		StopFile: func() (string, error) { return "", nil }, Link: func(int64) string { return "" },
		Metrics: engine.NewMetrics(prometheus.NewRegistry()), Logger: discard(),
	})
	w.post("firing", disk("a"))
	other := disk("b")
	other["alertname"] = "OtherDisk"
	w.clock.set(w.clock.Now().Add(time.Millisecond))
	w.post("firing", other)
	for range 20 {
		_, _ = w.engine.Step(t.Context(), engine.LanePage) // the one that cannot be written fails
	}
	w.wantPages("+0s oncall/email firing")
}
