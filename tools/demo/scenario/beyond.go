package scenario

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/chronoops/chronoops/receiver/api"
)

// beyond: billing lacks a service that no policy may touch. Both steps of the repair run, neither helps, and people are paged
// until one of them acknowledges.
func beyond(s *script) {
	s.title("4. A fault that the repair cannot mend")
	s.breaks(func() (string, error) {
		pid, err := s.apis.kill(s.ctx, ledger)
		return fmt.Sprintf("kill -9 %d: %s is gone, which %s needs and nobody may restart", pid, ledger, billing), err
	})
	i := s.fires(subject{apiDown, "instance", billing})
	s.disproved(i, "command", "api/billing")
	s.event(i, "next", "next step: command")
	s.disproved(i, "command", "api/billing")
	s.event(i, "escalate", "paging level 1: "+oncall)
	s.reached(i, page{to: oncall})
	s.event(i, "escalate", "paging level 2: "+lead+" (level 1 has not acknowledged in time)")
	s.reached(i, page{to: oncall}, page{to: lead})
	if s.err == nil {
		s.person("incident", "ack", strconv.FormatInt(i.id, 10))
	}
	s.event(i, "ack", "acknowledged")
	s.shows(i, "nobody is paged before the acknowledgement ends", func(d api.Detail) error {
		if d.Incident.Ack == nil || d.Incident.Due.Before(d.Incident.Ack.Until) {
			return errors.New("the incident is due before")
		}
		return nil
	})
	s.breaks(func() (string, error) { return ledger + " is started again, by people", s.apis.start(s.ctx, ledger) })
	s.resolves(i, "alert cleared")
	s.closed(i, page{to: oncall}, page{to: lead})
}

// closed waits until everyone who was paged was told the end, once, in whatever order.
func (s *script) closed(i *incident, paged ...page) {
	s.await(fmt.Sprintf("everyone who was paged about incident %d is told that it is over", i.id), func() error {
		got := s.pages.about(i.id)
		told := map[string]int{}
		for n, p := range got {
			if n < len(paged) {
				if p.to != paged[n].to || p.over {
					return fmt.Errorf("they got %v", got)
				}
				continue
			}
			if !p.over {
				return fmt.Errorf("they got %v", got)
			}
			told[p.to]++
		}
		for _, p := range paged {
			if told[p.to] != 1 {
				return fmt.Errorf("they got %v", got)
			}
		}
		if len(got) != 2*len(paged) {
			return fmt.Errorf("they got %v", got)
		}
		return nil
	})
}
