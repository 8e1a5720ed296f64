package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chronoops/chronoops/receiver/api"
)

const (
	// patience is how long a step may take: far more than any machine needs, so that only what never comes is missed.
	patience  = 90 * time.Second
	pollEvery = 50 * time.Millisecond
)

// script plays one part. After the first step that fails the others do nothing.
type script struct {
	*world
	ctx context.Context
	err error
	// Where the changes of both boards stood before the latest fault.
	beforeRules, beforeAlerts int
}

// incident follows one incident along its timeline.
type incident struct {
	subject
	id   int64
	read int // entries of the timeline that are behind us
}

// title announces the part.
func (s *script) title(text string) {
	if s.err == nil {
		s.o.Timeline.Title(text)
	}
}

// say is a word of the demo about itself.
func (s *script) say(format string, args ...any) {
	if s.err == nil {
		s.o.Timeline.Say(Demo, fmt.Sprintf(format, args...))
	}
}

// breaks does a fault, or takes it back, and says what it did.
func (s *script) breaks(do func() (string, error)) {
	if s.err != nil {
		return
	}
	s.beforeRules, s.beforeAlerts = s.rules.mark(), s.alerts.mark()
	text, err := do()
	if err != nil {
		s.err = fmt.Errorf("fault: %w", err)
		return
	}
	s.o.Timeline.Say(Fault, text)
}

// await waits until check has no objection.
func (s *script) await(what string, check func() error) {
	if s.err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			if cause := context.Cause(s.ctx); cause != nil {
				s.err = cause
				return
			}
			s.err = fmt.Errorf("expected within %s: %s\nseen: %w", patience, what, err)
			return
		case <-time.After(pollEvery):
		}
	}
}

// fires waits until the alert is seen by all three.
func (s *script) fires(about subject) *incident {
	s.await("Prometheus lets "+about.alert+" fire", func() error { return s.rules.came(about, "firing", s.beforeRules) })
	s.await("Alertmanager has "+about.alert, func() error { return s.alerts.came(about, "active", s.beforeAlerts) })
	i := &incident{subject: about}
	s.await("an incident about "+about.alert, func() error {
		d, err := s.incidents.about(about)
		i.id = d.Incident.ID
		return err
	})
	s.event(i, "alert", "firing: "+about.alert)
	return i
}

// event waits for the next entry of the incident's timeline of that kind, with that text in it, and reads on behind it.
func (s *script) event(i *incident, kind, part string) { s.read(i, kind, part, &i.read) }

// also waits for an entry as event does, and stays where it is: what follows may stand before it.
func (s *script) also(i *incident, kind, part string) {
	place := i.read
	s.read(i, kind, part, &place)
}

func (s *script) read(i *incident, kind, part string, place *int) {
	s.await(fmt.Sprintf("the timeline of incident %d goes on with %q and %q", i.id, kind, part), func() error {
		d, err := s.incidents.about(i.subject)
		if err != nil {
			return err
		}
		next, err := after(d, *place, kind, part)
		if err == nil {
			*place = next
		}
		return err
	})
}

// repaired follows a repair from its beginning to its proof. The alert's end may be heard of before the proof is complete.
func (s *script) repaired(i *incident, action string) {
	s.event(i, "started", action)
	s.event(i, "applied", action)
	s.also(i, "verified", action)
}

// disproved follows a repair that changes nothing.
func (s *script) disproved(i *incident, action, what string) {
	s.event(i, "started", what)
	s.event(i, "applied", action)
	s.event(i, "failed", "not repaired")
}

// resolves waits until all three say that it is over, and why.
func (s *script) resolves(i *incident, by string) {
	s.await("Prometheus lets "+i.alert+" end", func() error { return s.rules.gone(i.subject) })
	s.await("Alertmanager drops "+i.alert, func() error { return s.alerts.gone(i.subject) })
	s.also(i, "resolved", fmt.Sprintf("incident %d resolved (%s)", i.id, by))
}

// reached waits until people have got exactly these pages about the incident, in this order.
func (s *script) reached(i *incident, want ...page) {
	for n := range want {
		want[n].incident = i.id
	}
	s.await(fmt.Sprintf("people get the pages %v about incident %d", want, i.id), func() error {
		if got := s.pages.about(i.id); !slices.Equal(got, want) {
			return fmt.Errorf("they got %v", got)
		}
		return nil
	})
}

// people have a look at the incident as chronoops shows it.
func (s *script) shows(i *incident, what string, check func(api.Detail) error) {
	s.await(what, func() error {
		d, err := s.incidents.about(i.subject)
		return errors.Join(err, check(d))
	})
}

// person says something to chronoops.
func (s *script) person(words ...string) {
	if s.err == nil {
		s.err = s.people.does(s.ctx, words...)
	}
}
