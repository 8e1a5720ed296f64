package main

import (
	"fmt"
	"io"
	"strings"
)

// welcome prints the addresses that matter and what to do next.
func (s *server) welcome(w io.Writer) {
	base := "http://" + reachable(addresses(s.sockets, s.f.web)[0])
	line := func(name, text string) { _, _ = fmt.Fprintf(w, "  %-10s %s\n", name, text) }
	_, _ = fmt.Fprintf(w, "\nchronoops is running.\n\n")
	line("metrics", base+s.f.telemetryPath)
	var kinds []string
	for _, t := range s.targets {
		kinds = append(kinds, t.key())
	}
	if len(kinds) > 0 {
		line("targets", strings.Join(kinds, ", ")+"  (each at "+base+"/probe?target=NAME)")
	} else {
		line("targets", "the host; DATABASE_URL, REDIS_URL and API_URL add PostgreSQL, Redis and an API")
	}
	r := s.receiver.Load()
	if r == nil {
		line("receiver", "not running: "+s.whyNoReceiver())
		_, _ = fmt.Fprintln(w)
		return
	}
	people := "http://" + reachable(r.o.listen[0])
	line("webhook", people+(*r.paths.Load())[0])
	line("incidents", people+"/incidents")
	line("state", r.o.storage+"  (operator token: operator.token)")
	_, _ = fmt.Fprintf(w, "\nNext:\n")
	line("1.", "let Prometheus scrape "+base+s.f.telemetryPath+" with the rules in rules/v1: see deploy/prometheus")
	line("2.", "let Alertmanager post to the webhook: see deploy/alertmanager")
	if r.current.Load().set.Armed() {
		line("3.", "repairs are armed; `chronoops pause` stops them, `chronoops resume` lets them go on")
	} else {
		line("3.", "watch at "+people+"/incidents what chronoops would do; nothing is repaired until a policy's mode is raised and you say `chronoops resume`")
	}
	_, _ = fmt.Fprintln(w)
}
