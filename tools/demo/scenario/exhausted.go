package scenario

import "fmt"

// exhausted: idle connections take every connection of PostgreSQL. chronoops may not act before a person says so, and pages.
func exhausted(s *script) {
	s.title("1. Idle connections exhaust PostgreSQL's max_connections")
	var idle idleSessions
	s.breaks(func() (string, error) {
		var err error
		idle, err = s.exhaust(s.ctx)
		return fmt.Sprintf("%d idle sessions of %s; PostgreSQL refuses the next one", len(idle), customer), err
	})
	defer func() { idle.close() }()
	i := s.fires(subject{tooMany, "job", "chronoops"})
	// A new store begins paused: nothing acts, and people are told at once.
	s.event(i, "guard", "paused")
	s.reached(i, page{to: oncall})
	s.await("nothing was touched while repairs are paused", func() error { return s.sessions(customer, len(idle)) })
	s.say("repairs are paused: all %d sessions are still there", len(idle))
	s.person("resume")
	s.repaired(i, "postgres.terminate_idle")
	s.resolves(i, "repair")
	s.await("the idle sessions are gone", func() error { return s.sessions(customer, 0) })
	s.reached(i, page{to: oncall}, page{to: oncall, over: true})
}
