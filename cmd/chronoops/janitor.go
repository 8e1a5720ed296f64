package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/chronoops/chronoops/receiver/store"
)

// janitor deletes messages that have been kept long enough.
type janitor struct {
	db   *store.DB
	keep time.Duration
	log  *slog.Logger
}

// Run implements runner.
func (j *janitor) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	for {
		err := j.db.Update(ctx, func(tx *store.Tx) error {
			n, err := tx.DeleteMessages(tx.Now().Add(-j.keep))
			if n > 0 {
				j.log.Info("Old webhook messages deleted", "count", n)
			}
			return err
		})
		if err != nil && ctx.Err() == nil {
			j.log.Error("Old webhook messages could not be deleted", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
