package scenario

import (
	"errors"
	"fmt"
	"strconv"
)

// The alerts of the demo, as the shipped rules name them.
const (
	tooMany = "TooManyConnections"
	apiDown = "ApiDown"
	diskLow = "DiskSpaceLow"
)

// quiet waits until everything is seen and nothing is wrong.
func quiet(s *script) {
	s.title("Before: everything is watched, and nothing is wrong")
	for _, expr := range []string{
		`pg_up == 1`, `redis_up == 1`, `probe_success{job="chronoops"} == 1`, `probe_success{job="chronoops-targets", instance="billing"} == 1`,
		`node_load1{job="chronoops"} >= 0`, `up{job="area"} == 1`, `chronoops_rules_info and on (version) chronoops_rules_shipped_info`,
		`sum by (route) (rate(http_requests_total{route="/api/v1/stocks/:code/data"}[5s])) > 0`,
	} {
		s.await("Prometheus has "+expr, func() error {
			samples, err := query(s.ctx, s.prom.URL, expr)
			if err == nil && len(samples) == 0 {
				err = errors.New("it returns nothing")
			}
			return err
		})
	}
	s.await("chronoops holds the session that repairs use", func() error { return s.sessions(repairer, 1) })
	for _, b := range []*board{s.rules, s.alerts} {
		s.await(string(b.who)+" sees no alert", b.none)
	}
	if s.err != nil {
		return
	}
	samples, err := query(s.ctx, s.prom.URL, `sum(rate(http_requests_total[5s]))`)
	if err == nil && len(samples) == 1 {
		text, _ := samples[0].Value[1].(string)
		if rate, err := strconv.ParseFloat(text, 64); err == nil {
			s.o.Timeline.Say(Prometheus, fmt.Sprintf("pg_up 1, redis_up 1, probe_success 1; nginx' log makes %.1f requests a second", rate))
		}
	}
	s.say("chronoops: %s/incidents", s.url)
}

// sessions returns an error unless the role has that many sessions.
func (s *script) sessions(role string, want int) error {
	n, err := s.count(s.ctx, role)
	if err == nil && n != want {
		err = fmt.Errorf("%s has %d sessions, want %d", role, n, want)
	}
	return err
}
