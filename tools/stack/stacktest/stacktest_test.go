package stacktest_test

import (
	"context"
	"testing"

	"github.com/chronoops/chronoops/tools/stack/stacktest"
)

type server struct{ stops int }

func (s *server) Stop() error { s.stops++; return nil }

func TestRunStopsAtTheEnd(t *testing.T) {
	s := &server{}
	t.Run("test", func(t *testing.T) {
		if got := stacktest.Run(t, s, nil); got != s || s.stops != 0 {
			t.Errorf("got %p after %d stops, want %p running", got, s.stops, s)
		}
	})
	if s.stops != 1 {
		t.Errorf("stopped %d times, want once", s.stops)
	}
}

func TestSharedStartsOnce(t *testing.T) {
	starts := 0
	shared := stacktest.Share(func(context.Context) (*server, error) { starts++; return &server{}, nil })
	if a, b := shared.Get(t), shared.Get(t); a != b || starts != 1 {
		t.Errorf("%p and %p after %d starts, want one server", a, b, starts)
	}
}
