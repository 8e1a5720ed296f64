package api

import (
	"sync"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

const (
	maxShown = 50               // plans that are remembered
	shownFor = 15 * time.Minute // how long a plan that was looked at may be run as it was shown
)

// shownPlans remembers the plans that people were shown, so that a run can be bound to what they saw: targets move on, and
// the same plan can hardly be made twice. A plan that is forgotten is made again, and then refused unless it is the same.
type shownPlans struct {
	mu    sync.Mutex
	plans []receiver.Plan // oldest first
}

func (s *shownPlans) keep(p receiver.Plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.plans) == maxShown {
		s.plans = s.plans[1:]
	}
	s.plans = append(s.plans, p)
}

// find returns a plan that was shown lately.
func (s *shownPlans) find(hash string, now time.Time) *receiver.Plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.plans {
		if p.Hash() == hash && now.Sub(p.Made) < shownFor {
			return &p
		}
	}
	return nil
}
