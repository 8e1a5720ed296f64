package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// runner is a component with a life of its own.
type runner interface {
	Run(ctx context.Context) error
}

// supervisor runs components. A reload changes the set of them; those that stay are not touched.
type supervisor struct {
	log *slog.Logger

	mu      sync.Mutex
	ctx     context.Context
	running map[runner]*running
}

type running struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func newSupervisor(ctx context.Context, log *slog.Logger) *supervisor {
	return &supervisor{log: log, ctx: ctx, running: map[runner]*running{}}
}

// set makes exactly these components run. It returns once the others have ended.
func (s *supervisor) set(wanted map[runner]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ending []*running
	for r, state := range s.running {
		if _, ok := wanted[r]; !ok {
			state.cancel() // all at once: one that is slow must not keep the others from ending in order
			ending = append(ending, state)
			delete(s.running, r)
		}
	}
	for _, state := range ending {
		<-state.done
	}
	for r, name := range wanted {
		if s.running[r] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(s.ctx)
		state := &running{cancel: cancel, done: make(chan struct{})}
		s.running[r] = state
		go func() {
			defer close(state.done)
			if err := r.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				s.log.Error("Component ended", "component", name, "err", err)
			}
		}()
	}
}

// stop ends every component.
func (s *supervisor) stop() { s.set(nil) }
