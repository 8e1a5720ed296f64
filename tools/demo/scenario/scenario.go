// Package scenario breaks a real stack on loopback in four ways and watches it being repaired, or people being paged.
//
// The demo and the end-to-end test run the same scenario. Everything in it is the real program: Prometheus, Alertmanager,
// PostgreSQL, Redis, nginx, an API with processes of its own, and chronoops. Only people are played.
package scenario

import (
	"context"
	"fmt"
)

// Options say how to run.
type Options struct {
	Timeline  *Timeline
	Chronoops string // the program; empty: built from source
}

// Run plays the whole scenario. It returns nil only if every step was observed, and leaves nothing behind either way.
func Run(ctx context.Context, o Options) (err error) {
	w, err := start(ctx, o)
	defer func() {
		if err != nil {
			err = w.explain(err)
		}
		w.close()
	}()
	if err != nil {
		return err
	}
	// What ends early, ends everything: a server that died would only be seen as a step that never came.
	ctx, stop := w.watch(ctx)
	defer stop()
	for n, play := range []func(*script){quiet, exhausted, dead, full, beyond, over} {
		s := &script{ctx: ctx, world: w}
		play(s)
		if s.err != nil {
			return s.err
		}
		if n > 0 && n <= 4 {
			o.Timeline.Say(Demo, fmt.Sprintf("✓ %d of 4: every step was seen in Prometheus, in Alertmanager and in the incident's timeline", n))
		}
	}
	return nil
}
