package postgres

import (
	"context"
	"fmt"
)

// maxSessions is the most sessions that a target bears at a time: the kept one, and one that walks over the databases or
// is being torn down, which takes long where the network is dead.
const maxSessions = 2

// permits are what sessions are opened with. A permit comes back only once nothing is left of its session.
type permits chan struct{}

func newPermits() permits {
	p := make(permits, maxSessions)
	for range maxSessions {
		p <- struct{}{}
	}
	return p
}

func (p permits) try() bool {
	select {
	case <-p:
		return true
	default:
		return false
	}
}

func (p permits) acquire(ctx context.Context) error {
	select {
	case <-p:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end the sessions of earlier scrapes: %w", ctx.Err())
	}
}

func (p permits) release() { p <- struct{}{} }

// bury ends a session and gives its permit back.
func (p permits) bury(s *session) {
	done := s.close()
	select {
	case <-done:
		p.release()
	default:
		go func() {
			<-done
			p.release()
		}()
	}
}
