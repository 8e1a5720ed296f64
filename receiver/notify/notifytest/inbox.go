// Package notifytest holds the other ends of pages as real servers on loopback: Slack's API, a webhook receiver and an
// SMTP server. Each can be told to misbehave, and a message that nobody asked for is an error at its close.
package notifytest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// inbox keeps what arrived until somebody takes it.
type inbox[T any] struct {
	mu      sync.Mutex
	items   []T
	arrived chan struct{} // closed and renewed at each arrival
}

func (b *inbox[T]) put(item T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = append(b.items, item)
	if b.arrived != nil {
		close(b.arrived)
		b.arrived = nil
	}
}

// Next takes the oldest message, and waits for one until ctx ends.
func (b *inbox[T]) Next(ctx context.Context) (T, error) {
	for {
		b.mu.Lock()
		if len(b.items) > 0 {
			item := b.items[0]
			b.items = b.items[1:]
			b.mu.Unlock()
			return item, nil
		}
		if b.arrived == nil {
			b.arrived = make(chan struct{})
		}
		arrived := b.arrived
		b.mu.Unlock()
		select {
		case <-arrived:
		case <-ctx.Done():
			var none T
			return none, fmt.Errorf("no message arrived: %w", ctx.Err())
		}
	}
}

// Pending lists what arrived and was not taken.
func (b *inbox[T]) Pending() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.items)
}

func (b *inbox[T]) unexpected(server string) error {
	if left := b.Pending(); len(left) > 0 {
		return fmt.Errorf("%s: %d messages that nobody expected, the first: %+v", server, len(left), left[0])
	}
	return nil
}

// Take takes the oldest message and fails the test when none arrives within 10 seconds.
func Take[T any](t testing.TB, from interface {
	Next(ctx context.Context) (T, error)
},
) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	item, err := from.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return item
}

func closeAtEnd(t testing.TB, c io.Closer) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Fault is how a HTTP server treats one request.
type Fault struct {
	Status     int           // refuse with this code
	Body       string        // instead of the usual answer
	RetryAfter time.Duration // as a header, in whole seconds
	Drop       bool          // accept the message and cut the connection before the answer
	Hang       bool          // accept the message and never answer
}

// faults are handed out one a request, in order.
type faults struct {
	mu    sync.Mutex
	queue []Fault
}

// Fail makes the next requests meet these faults, one each.
func (f *faults) Fail(list ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, list...)
}

func (f *faults) next() (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return Fault{}, false
	}
	fault := f.queue[0]
	f.queue = f.queue[1:]
	return fault, true
}

// refuse answers instead of accepting; it reports whether it did.
func (f Fault) refuse(w http.ResponseWriter) bool {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
	}
	if f.Status == 0 {
		return false
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
	return true
}

// vanish is what happens after accepting; it reports whether there will be no answer.
func (f Fault) vanish(r *http.Request, stop <-chan struct{}) bool {
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	if f.Hang {
		select {
		case <-r.Context().Done():
		case <-stop:
		}
	}
	return f.Hang
}
