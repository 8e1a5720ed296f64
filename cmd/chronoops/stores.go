package main

import (
	"context"

	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/engine"
	"github.com/chronoops/chronoops/receiver/intake"
	"github.com/chronoops/chronoops/receiver/store"
)

// Each consumer declares the transaction that it needs; these hand it the store's.
type (
	engineStore struct{ db *store.DB }
	intakeStore struct{ db *store.DB }
	apiStore    struct{ db *store.DB }
)

func (s engineStore) Update(ctx context.Context, fn func(engine.Tx) error) error {
	return s.db.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s engineStore) View(ctx context.Context, fn func(engine.Tx) error) error {
	return s.db.View(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s intakeStore) Update(ctx context.Context, fn func(intake.Tx) error) error {
	return s.db.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s apiStore) Update(ctx context.Context, fn func(api.Tx) error) error {
	return s.db.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s apiStore) View(ctx context.Context, fn func(api.Tx) error) error {
	return s.db.View(ctx, func(tx *store.Tx) error { return fn(tx) })
}
