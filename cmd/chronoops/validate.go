package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/notify"
	"github.com/chronoops/chronoops/receiver/policy"
)

// problems finds what only the whole configuration can tell: names, and references between its parts.
func (c *config) problems() []problem {
	var list []problem
	add := func(text string, path ...any) { list = append(list, problem{path: path, text: text}) }
	c.checkTargets(add)
	if c.Instance.ExternalURL != "" {
		if u, err := url.Parse(c.Instance.ExternalURL); err != nil || u.Host == "" {
			add("external_url must be like https://chronoops.example.com", "instance", "external_url")
		}
	}
	if c.Receiver == nil {
		if c.doc.has("receiver") {
			add("receiver is empty: write `receiver: {}` to have it with its defaults, or remove the line", "receiver")
		}
		for key, n := range map[string]int{"contacts": len(c.Contacts), "escalation": len(c.Escalation)} {
			if n > 0 {
				add(key+" needs a `receiver:` section: without one nobody is paged", key)
			}
		}
		return list
	}
	c.checkPeople(add)
	c.checkReceiver(add)
	return list
}

type adder func(text string, path ...any)

func (c *config) checkTargets(add adder) {
	seen := map[string]bool{}
	name := func(kind string, i int, name string) {
		if name == "" {
			add("target has no name: add `name: …`", "targets", kind, i)
		} else if seen[name] {
			add(fmt.Sprintf("target %q is configured twice: names must be unique over all kinds", name), "targets", kind, i)
		}
		seen[name] = true
	}
	t := &c.Targets
	marked := func(kind string, n int, on func(int) bool) {
		count := 0
		for i := range n {
			if on(i) {
				count++
			}
		}
		if n > 1 && count != 1 {
			add(fmt.Sprintf("%d of %d %s targets have `on_metrics: true`: mark exactly one to be on /metrics; all are on /probe", count, n, kind), "targets", kind)
		}
	}
	for i, p := range t.Postgres {
		name("postgres", i, p.Name)
	}
	marked("postgres", len(t.Postgres), func(i int) bool { return t.Postgres[i].OnMetrics })
	for i, r := range t.Redis {
		name("redis", i, r.Name)
	}
	marked("redis", len(t.Redis), func(i int) bool { return t.Redis[i].OnMetrics })
	for i := range t.API {
		name("api", i, t.API[i].Name)
		if err := t.API[i].Validate(); err != nil {
			if _, ok := c.environment[t.API[i].Name]; !ok { // else its building fails, which names the variable
				add(err.Error(), "targets", "api", i)
			}
		}
	}
	marked("api", len(t.API), func(i int) bool { return t.API[i].OnMetrics })
	for i, p := range t.Prometheus {
		name("prometheus", i, p.Name)
	}
	for i, p := range t.Alertmanager {
		name("alertmanager", i, p.Name)
	}
}

// checkPeople proves that everybody whom a ladder names can be reached.
func (c *config) checkPeople(add adder) {
	n, err := notify.New(notify.Options{Config: c.notifyConfig(), Instance: c.Instance.Name, ExternalURL: c.Instance.ExternalURL, Logger: discardLogger()})
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			add(strings.TrimSpace(line), "contacts")
		}
		return
	}
	for ladder, levels := range c.Escalation {
		for i, level := range levels {
			for _, role := range level.Contacts {
				err := n.CheckRole(role)
				if err == nil {
					continue
				}
				if ladder == policy.DefaultLadder {
					add(fmt.Sprintf("level %d: %v", level.Level, err), "escalation", i)
				} else {
					add(fmt.Sprintf("level %d: %v", level.Level, err), "escalation", ladder, i)
				}
			}
		}
	}
	if len(c.Contacts) > 0 && len(c.Escalation) == 0 {
		add("contacts are configured, but no `escalation`: nobody would be paged", "contacts")
	}
}

func (c *config) notifyConfig() notify.Config {
	return notify.Config{Global: c.Notifications, Contacts: c.Contacts}
}

func (c *config) checkReceiver(add adder) {
	r := c.Receiver
	addCredentials(add, r.Validate())
	for _, err := range split(c.policySet().Validate()) {
		if at, ok := errors.AsType[*policy.SetError](err); ok {
			add(err.Error(), "receiver", "policies", at.Policy)
		}
	}
	for i, s := range r.Sources {
		for _, am := range s.Alertmanagers {
			if !slices.ContainsFunc(c.Targets.Alertmanager, func(p peerConfig) bool { return p.Name == am }) {
				add(fmt.Sprintf("source %s names Alertmanager %q: no such target under targets.alertmanager", s.Name, am), "receiver", "sources", i)
			}
		}
		if c.policySet().Armed() && len(s.Alertmanagers) == 0 {
			add(fmt.Sprintf("source %s names no Alertmanager, so that no alert of it can be asked after and every repair is refused: add `alertmanagers: [...]`", s.Name),
				"receiver", "sources", i)
		}
	}
	for i, p := range r.Postgres {
		if !slices.ContainsFunc(c.postgresTargets(), func(name string) bool { return name == p.Target }) {
			add(fmt.Sprintf("receiver.postgres names target %q: no such target under targets.postgres", p.Target), "receiver", "postgres", i)
		}
		if (p.DSN == "") == (p.DSNFile == "") {
			add("give dsn or dsn_file, and not both", "receiver", "postgres", i)
		}
	}
	actions := c.actions(actionOptions{Logger: discardLogger()}).registry
	for i := range r.Policies {
		for j := range r.Policies[i].Repair {
			if err := c.checkStep(actions, r.Policies[i].Repair[j]); err != nil {
				add(fmt.Sprintf("policy %q, step %d: %v", r.Policies[i].Name, j+1, err), "receiver", "policies", i, "repair", j)
			}
		}
	}
}

func (c *config) checkStep(actions *action.Registry, s policy.Step) error {
	a, ok := actions.Get(s.Action)
	if !ok {
		var known []string
		for _, spec := range actions.Specs() {
			known = append(known, spec.Name)
		}
		return fmt.Errorf("action %q is not known: want one of %s", s.Action, strings.Join(known, ", "))
	}
	params, err := a.Spec().Static(s.With)
	if err != nil {
		return err
	}
	if target := params.String("target"); s.Action == postgresTerminateIdle && !slices.Contains(c.postgresTargets(), target) {
		return fmt.Errorf("target %q is not under targets.postgres: want one of %s", target, strings.Join(c.postgresTargets(), ", "))
	}
	if _, err := a.Resource(params); err != nil {
		return err
	}
	if s.Verify.Probe != "" && !slices.ContainsFunc(c.Targets.API, func(t apiTarget) bool { return t.Name == s.Verify.Probe }) {
		return fmt.Errorf("verify.probe names %q: no such target under targets.api", s.Verify.Probe)
	}
	if s.Verify.PromQL != "" && len(c.Targets.Prometheus) == 0 {
		return errors.New("verify.promql needs a server under targets.prometheus")
	}
	if s.Rollback {
		if _, ok := a.(action.Roller); !ok {
			return fmt.Errorf("action %s cannot be rolled back: remove `rollback: true`", s.Action)
		}
	}
	return nil
}

// addCredentials finds the line of each error that the credentials have.
func addCredentials(add adder, errs error) {
	for _, err := range split(errs) {
		if at, ok := errors.AsType[*api.CredentialError](err); ok {
			add(err.Error(), "receiver", at.Part, at.Index)
		} else {
			add(err.Error(), "receiver")
		}
	}
}

// split takes joined errors apart.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // only what errors.Join itself returned
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func (c *config) postgresTargets() (names []string) {
	for _, p := range c.Targets.Postgres {
		names = append(names, p.Name)
	}
	return names
}
