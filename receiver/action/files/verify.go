package files

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
)

// Verify implements action.Action: with until_free enough must be free, otherwise a planned file must be gone.
func (c *Clean) Verify(ctx context.Context, plan receiver.Plan) error {
	var data planned
	p, err := action.OpenPlan(c, plan, &data)
	if err != nil {
		return fmt.Errorf("%w: %w", action.ErrUnknown, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("files.clean: %w: %w", action.ErrUnknown, err)
	}
	r, err := c.request(p)
	if err != nil {
		return fmt.Errorf("%w: %w", action.ErrUnknown, err)
	}
	if r.until == (freeGoal{}) {
		there, err := stillThere(ctx, data)
		if err != nil {
			return fmt.Errorf("files.clean: %w: %w", action.ErrUnknown, err)
		}
		if there == len(data.Files) {
			return fmt.Errorf("files.clean: all of %s are still there", count(len(data.Files), "planned file"))
		}
		return nil
	}
	for _, pr := range data.Roots {
		d, err := openRoot(pr.Path)
		if err != nil {
			return fmt.Errorf("files.clean: %w: %w", action.ErrUnknown, err)
		}
		free, err := freeOf(d)
		d.Close()
		if err != nil {
			return fmt.Errorf("files.clean: %w: %w", action.ErrUnknown, err)
		}
		if !r.until.met(free) {
			return fmt.Errorf("files.clean: %s (%.1f%%) is free on the file system of %s, want %s", bytesWords(free.bytes),
				free.share*100, pr.Path, p.String("until_free"))
		}
	}
	return nil
}

// Inspect implements action.Inspector.
func (c *Clean) Inspect(ctx context.Context, plan receiver.Plan) (action.Effect, error) {
	var data planned
	if _, err := action.OpenPlan(c, plan, &data); err != nil {
		return action.EffectUnknown, err
	}
	there, err := stillThere(ctx, data)
	switch {
	case err != nil:
		return action.EffectUnknown, fmt.Errorf("files.clean: %w", err)
	case there == 0:
		return action.EffectApplied, nil
	case there == len(data.Files):
		return action.EffectNotApplied, nil
	}
	return action.EffectUnknown, nil
}

// stillThere counts the planned files that are still what they were.
func stillThere(ctx context.Context, data planned) (int, error) {
	roots, err := openPlanned(data)
	defer closeAll(roots)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, f := range data.Files {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if f.Root < 0 || f.Root >= len(roots) {
			return 0, errors.New("the plan names a root that it does not list")
		}
		info, err := roots[f.Root].Lstat(f.Path)
		if err != nil {
			continue
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Ino == f.Ino && info.ModTime().Equal(time.Unix(0, f.Mtime)) {
			n++
		}
	}
	return n, nil
}
