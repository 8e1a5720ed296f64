// Package stacktest runs the servers of package stack for tests.
package stacktest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
)

// Server is what a Start function of package stack returns.
type Server interface{ Stop() error }

// Run takes what a Start function returned: it fails the test on an error, else has the server stopped at the test's end.
func Run[S Server](t testing.TB, server S, err error) S {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Stop(t, server) })
	return server
}

// Stop stops a server before the end of the test.
func Stop(t testing.TB, server Server) {
	t.Helper()
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

// Shared is a server that the tests of a package share. It starts when a test first asks for it.
type Shared[S Server] struct {
	start func(context.Context) (S, error)

	once    sync.Once
	server  S
	err     error
	running bool
}

// Share returns a server that start will start.
func Share[S Server](start func(context.Context) (S, error)) *Shared[S] {
	return &Shared[S]{start: start}
}

// Get returns the running server, or fails the test.
func (s *Shared[S]) Get(t testing.TB) S {
	t.Helper()
	s.once.Do(func() {
		s.server, s.err = s.start(context.Background())
		s.running = s.err == nil
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}

// Main runs the tests, stops the server, and ends the program: the body of TestMain.
func (s *Shared[S]) Main(m *testing.M) {
	code := m.Run()
	if s.running {
		if err := s.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
