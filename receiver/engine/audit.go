package engine

import (
	"context"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

const (
	auditEvery   = 15 * time.Second
	overdueAfter = time.Minute // a row that has been due this long is a fault of ours
)

// audit watches that rows move, and refreshes the gauges of the store's state.
func (e *Engine) audit(ctx context.Context) {
	for {
		if err := e.auditOnce(ctx); err != nil && ctx.Err() == nil {
			e.o.Logger.Error("Audit failed", "err", err)
		}
		sleep(ctx, auditEvery, nil)
		if ctx.Err() != nil {
			return
		}
	}
}

func (e *Engine) auditOnce(ctx context.Context) error {
	stopFile, stopErr := e.o.StopFile()
	return e.o.Store.View(ctx, func(tx Tx) error {
		open, err := tx.OpenIncidents()
		if err != nil {
			return err
		}
		for p, n := range open {
			e.o.Metrics.open.WithLabelValues(receiver.Priority(p).String()).Set(float64(n))
		}
		pauses, err := tx.Pauses()
		if err != nil {
			return err
		}
		paused := 0.0
		if len(pauses) > 0 || stopFile != "" || stopErr != nil {
			paused = 1
		}
		e.o.Metrics.paused.Set(paused)
		repair, err := tx.NextRepair()
		if err != nil {
			return err
		}
		page, err := tx.NextPage()
		if err != nil {
			return err
		}
		e.overdue(LaneRepair, tx.Now(), repair)
		e.overdue(LanePage, tx.Now(), page)
		return nil
	})
}

func (e *Engine) overdue(lane Lane, now, due time.Time) {
	late := now.Sub(due)
	if due.IsZero() || late < 0 {
		late = 0
	}
	e.o.Metrics.overdue.WithLabelValues(string(lane)).Set(late.Seconds())
	if late > overdueAfter {
		e.o.Logger.Error("Work has been due for too long", "lane", lane, "late", late)
	}
}
