package guard

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/policy"
)

var now = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

func matchers(texts ...string) policy.Matchers {
	m, err := policy.ParseMatchers(texts)
	if err != nil {
		panic(err)
	}
	return m
}

// good are facts that nothing speaks against, right before acting.
func good() Facts {
	step := policy.Step{Action: "fake.fix", Cooldown: model.Duration(10 * time.Minute), MaxAttempts: 1, MaxPerDay: 6, Timeout: model.Duration(time.Minute)}
	p := &policy.Policy{
		Name: "api-down", Match: matchers(`alertname="ApiDown"`), Unless: matchers(`alertname="PostgresDown"`),
		Mode: receiver.ModeAuto, MaxAge: model.Duration(15 * time.Minute), Repair: []policy.Step{step},
	}
	return Facts{
		Now: now, Attempt: receiver.Attempt{ID: 7, Incident: 1, Episode: 2, Policy: "api-down"}, Policy: p, Step: &p.Repair[0], Ceiling: receiver.ModeAuto,
		Episode:  receiver.Episode{ID: 2, Incident: 1, Labels: map[string]string{"alertname": "ApiDown"}, Opened: now.Add(-time.Minute), LastSeen: now.Add(-time.Minute)},
		Incident: receiver.Incident{ID: 1, Opened: now.Add(-time.Minute)},
		Firing:   []receiver.Episode{{ID: 2, Incident: 1, Labels: map[string]string{"alertname": "ApiDown"}}},
		Resource: "systemd/api.service", Owned: true,
		Acting: true, Live: &Live{State: LiveActive},
	}
}

// byPerson are facts of a run that a person asked for by name.
func byPerson() Facts {
	f := good()
	f.Person, f.Approved, f.Owned, f.Live = true, true, false, &Live{}
	f.Attempt.Incident, f.Attempt.Episode = 0, 0
	f.Episode, f.Incident, f.Firing = receiver.Episode{}, receiver.Incident{}, nil
	return f
}

type outcome string

const (
	allowed outcome = "allowed"
	forNow  outcome = "refused for now"
	forGood outcome = "refused for good"
	dropped outcome = "dropped"
)

func (v Verdict) outcome() outcome {
	switch {
	case v.Reason == "" && !v.Final && !v.Drop:
		return allowed
	case v.Reason != "" && v.Final && v.Drop:
		return dropped
	case v.Reason != "" && v.Final:
		return forGood
	case v.Reason != "" && !v.Drop:
		return forNow
	}
	return outcome(fmt.Sprintf("impossible verdict %+v", v))
}

type guardCase struct {
	name   string
	change func(*Facts)
	want   outcome
	reason string // part of it
	person outcome
}

var guardCases = map[string][]guardCase{
	"pause": {
		{"none", func(*Facts) {}, allowed, "", allowed},
		{
			"everything", func(f *Facts) { f.Pauses = []receiver.Pause{{Reason: "release", By: "ann"}} }, forNow,
			"repairs are paused by ann until somebody resumes them: release", forNow,
		},
		{"this resource", func(f *Facts) {
			f.Pauses = []receiver.Pause{{Resource: "systemd/api.service", Reason: "release", By: "ann", Until: now.Add(time.Hour)}}
		}, forNow, "repairs of systemd/api.service are paused by ann until 2026-03-01T03:00:00Z: release", forNow},
		{"another resource", func(f *Facts) { f.Pauses = []receiver.Pause{{Resource: "systemd/db.service"}} }, allowed, "", allowed},
		{"over", func(f *Facts) { f.Pauses = []receiver.Pause{{Until: now}} }, allowed, "", allowed},
		{"the second one", func(f *Facts) { f.Pauses = []receiver.Pause{{Until: now}, {Resource: "x"}, {By: "bob"}} }, forNow, "paused by bob", forNow},
		{"file", func(f *Facts) { f.StopFile = "/var/lib/chronoops/STOP" }, forNow, "remove it to go on", forNow},
		{"file cannot be looked for", func(f *Facts) { f.StopErr = errors.New("permission denied") }, forNow, "permission denied", forNow},
	},
	"mode": {
		{"auto", func(*Facts) {}, allowed, "", allowed},
		{"approve", func(f *Facts) { f.Policy.Mode = receiver.ModeApprove }, allowed, "", allowed},
		{"shadow", func(f *Facts) { f.Ceiling = receiver.ModeShadow }, allowed, "", forGood},
		{"policy off", func(f *Facts) { f.Policy.Mode = receiver.ModeOff }, forGood, "are off", allowed},
		{"all off", func(f *Facts) { f.Ceiling = receiver.ModeOff }, forGood, "are off", forGood},
		{"policy gone", func(f *Facts) { f.Policy = nil }, forGood, "no longer configured", forGood},
		{"step gone", func(f *Facts) { f.Step = nil }, forGood, "no longer configured", forGood},
	},
	"freshness": {
		{"just heard", func(*Facts) {}, allowed, "", allowed},
		{"as old as allowed", func(f *Facts) { f.Episode.LastSeen = now.Add(-15 * time.Minute) }, allowed, "", allowed},
		{"too old", func(f *Facts) { f.Episode.LastSeen = now.Add(-15*time.Minute - 1) }, forGood, "15m0s ago, more than max_age 15m", allowed},
		{"long ago, but heard of", func(f *Facts) { f.Episode.Opened = now.Add(-48 * time.Hour) }, allowed, "", allowed},
		{"a sender with a wrong clock", func(f *Facts) { f.Episode.StartsAt = now.Add(-48 * time.Hour) }, allowed, "", allowed},
		{"alert resolved", func(f *Facts) { f.Episode.Resolved = now }, dropped, "the alert has resolved", allowed},
		{"incident resolved", func(f *Facts) { f.Incident.Resolved, f.Incident.ResolvedBy = now, "ann" }, dropped, "resolved by ann", allowed},
		{"acknowledged", func(f *Facts) { f.Incident.Ack = &receiver.Ack{By: "ann", Until: now.Add(1)} }, forGood, "ann has acknowledged", allowed},
		{"acknowledgement over", func(f *Facts) { f.Incident.Ack = &receiver.Ack{By: "ann", Until: now} }, allowed, "", allowed},
		{"acknowledged, and the policy acts all the same", func(f *Facts) {
			f.Incident.Ack, f.Policy.ActWhenAcked = &receiver.Ack{By: "ann", Until: now.Add(1)}, true
		}, allowed, "", allowed},
		{"alert missing", func(f *Facts) { f.Episode = receiver.Episode{} }, forGood, "", allowed},
		{"alert and time missing", func(f *Facts) { f.Episode, f.Now = receiver.Episode{}, time.Time{} }, forGood, "", allowed},
		{"incident missing", func(f *Facts) { f.Incident = receiver.Incident{} }, forGood, "", allowed},
	},
	"unless": {
		{"only itself", func(*Facts) {}, allowed, "", allowed},
		{"another cause", func(f *Facts) {
			f.Firing = append(f.Firing, receiver.Episode{ID: 9, Incident: 4, Labels: map[string]string{"alertname": "PostgresDown"}})
		}, forNow, "PostgresDown is firing (incident 4)", allowed},
		{"something else", func(f *Facts) {
			f.Firing = append(f.Firing, receiver.Episode{ID: 9, Incident: 4, Labels: map[string]string{"alertname": "DiskSpaceLow"}})
		}, allowed, "", allowed},
		{"matches itself", func(f *Facts) { f.Policy.Unless = matchers(`alertname="ApiDown"`) }, allowed, "", allowed},
		{"no unless", func(f *Facts) {
			f.Policy.Unless = nil
			f.Firing = append(f.Firing, receiver.Episode{ID: 9, Labels: map[string]string{"alertname": "PostgresDown"}})
		}, allowed, "", allowed},
	},
	"target": {
		{"owned", func(*Facts) {}, allowed, "", allowed},
		{"not owned", func(f *Facts) { f.Owned = false }, forGood, "does not own the alert", allowed},
		{"not allowed", func(f *Facts) { f.ResourceErr = errors.New(`unit "x" is not in units`) }, forGood, `unit "x" is not in units`, forGood},
		{"no target", func(f *Facts) { f.Resource = "" }, forGood, "names no target", forGood},
	},
	"lock": {
		{"free", func(*Facts) {}, allowed, "", allowed},
		{"held by itself", func(f *Facts) { f.History.Holder = 7 }, allowed, "", allowed},
		{"held by another", func(f *Facts) { f.History.Holder = 6 }, forNow, "attempt 6 is still at work on systemd/api.service", forNow},
	},
	"cooldown": {
		{"never acted", func(*Facts) {}, allowed, "", allowed},
		{"just acted", func(f *Facts) { f.History.LastEnd = now.Add(-10*time.Minute + time.Second) }, forNow, "its cooldown of 10m ends at 02:00:01", allowed},
		{"rested", func(f *Facts) { f.History.LastEnd = now.Add(-10 * time.Minute) }, allowed, "", allowed},
		{"no cooldown", func(f *Facts) { f.History.LastEnd, f.Step.Cooldown = now, 0 }, allowed, "", allowed},
		{"ended in the future", func(f *Facts) { f.History.LastEnd = now.Add(time.Hour) }, forNow, "ends at 03:10:00", allowed},
	},
	"attempts": {
		{"none", func(*Facts) {}, allowed, "", allowed},
		{"enough for the alert", func(f *Facts) { f.History.InEpisode = 1 }, forGood, "has run 1 times for this alert, max_attempts is 1", allowed},
		{"one more for the alert", func(f *Facts) { f.History.InEpisode, f.Step.MaxAttempts = 1, 2 }, allowed, "", allowed},
		{"one more for the day", func(f *Facts) { f.History.InDay = 5 }, allowed, "", allowed},
		{"enough for the day", func(f *Facts) { f.History.InDay = 6 }, forGood, "6 times in 24 hours, max_per_day is 6", allowed},
		{"limits missing", func(f *Facts) { f.Step.MaxAttempts = 0 }, forGood, "max_attempts is 0", allowed},
	},
	"live": {
		{"active", func(*Facts) {}, allowed, "", allowed},
		{"not acting yet", func(f *Facts) { f.Acting, f.Live = false, nil }, allowed, "", allowed},
		{"not asked", func(f *Facts) { f.Live = nil }, forNow, "has not been asked", allowed},
		{"unreachable", func(f *Facts) { f.Live = &Live{Err: errors.New("connection refused")} }, forNow, "connection refused", allowed},
		{"unreachable, though active", func(f *Facts) { f.Live.Err = errors.New("half an answer") }, forNow, "half an answer", allowed},
		{"silenced", func(f *Facts) { f.Live.State = LiveSuppressed }, forNow, "silenced or inhibited", allowed},
		{"absent", func(f *Facts) { f.Live.State = LiveAbsent }, forNow, "no longer knows the alert", allowed},
		{"no answer", func(f *Facts) { f.Live = &Live{} }, forGood, `answer "" is unknown`, allowed},
		{"unheard of", func(f *Facts) { f.Live.State = "resolved" }, forGood, `answer "resolved" is unknown`, allowed},
	},
}

// A guard's table runs through the whole chain: exactly this guard refuses, and only for the stated reason.
func TestGuards(t *testing.T) {
	for _, g := range Chain() {
		cases := guardCases[g.Name]
		if len(cases) == 0 {
			t.Errorf("guard %s has no table", g.Name)
		}
		for _, c := range cases {
			f := good()
			c.change(&f)
			check(t, g, c, f, c.want)
			p := byPerson()
			keep := p.Owned
			c.change(&p)
			if g.Name != "target" {
				p.Owned = keep
			}
			if c.person != allowed {
				check(t, g, c, p, c.person)
			} else if v := Evaluate(p); !v.OK() {
				t.Errorf("%s, %s, by a person: %s refuses: %s", g.Name, c.name, v.Guard, v.Reason)
			}
		}
	}
}

func check(t *testing.T, g Guard, c guardCase, f Facts, want outcome) {
	t.Helper()
	v := Evaluate(f)
	if got := v.outcome(); got != want {
		t.Errorf("%s, %s: %s (%s), want %s", g.Name, c.name, got, v.Reason, want)
	}
	if want == allowed {
		if !v.OK() || v != (Verdict{}) {
			t.Errorf("%s, %s: verdict %+v, want none", g.Name, c.name, v)
		}
		return
	}
	if v.OK() || v.Guard != g.Name || !strings.Contains(v.Reason, c.reason) {
		t.Errorf("%s, %s: %s refuses: %s, want a word about %q", g.Name, c.name, v.Guard, v.Reason, c.reason)
	}
}

func TestChainOrder(t *testing.T) {
	var names []string
	for _, g := range Chain() {
		names = append(names, g.Name)
	}
	want := []string{"pause", "mode", "freshness", "unless", "target", "lock", "cooldown", "attempts", "live"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Fatalf("chain (-want +got):\n%s", diff)
	}
	// When all of them would refuse, the first in the chain does; without it the next one.
	var f Facts
	refusals := map[string]guardCase{}
	for _, name := range names {
		n := slices.IndexFunc(guardCases[name], func(c guardCase) bool { return c.want != allowed && c.name != "policy gone" })
		refusals[name] = guardCases[name][n]
	}
	for n, name := range names {
		f = good()
		for _, later := range slices.Backward(names[n:]) {
			refusals[later].change(&f)
		}
		if v := Evaluate(f); v.Guard != name {
			t.Errorf("with %v refusing, %q answers", names[n:], v.Guard)
		}
	}
}

// Whatever the facts: if any guard of the chain refuses, Evaluate does.
func TestAnyRefusalRefuses(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		f := good()
		if rnd.IntN(4) == 0 {
			f = byPerson()
		}
		var applied []string
		person := f.Person
		for name, cases := range guardCases {
			if rnd.IntN(4) == 0 {
				c := cases[rnd.IntN(len(cases))]
				if f.Policy == nil || f.Step == nil || f.Live == nil || strings.Contains(c.name, "missing") {
					continue
				}
				c.change(&f)
				applied = append(applied, name+": "+c.name)
			}
		}
		if f.Person != person {
			t.Fatal("a case changed who asked")
		}
		v := Evaluate(f)
		if f.Policy == nil || f.Step == nil {
			if v.OK() {
				t.Fatalf("%v: allowed without a policy", applied)
			}
			continue
		}
		refused := ""
		for _, g := range Chain() {
			if one := g.Check(f); one.Reason != "" {
				refused = g.Name
				break
			}
		}
		if v.Guard != refused {
			t.Fatalf("%v: first refusal is %q, Evaluate says %q", applied, refused, v.Guard)
		}
	}
}

// Facts that lack anything refuse, and do not panic: each field is zeroed in turn, and all of them at once.
func TestMissingFactsRefuse(t *testing.T) {
	if v := Evaluate(Facts{}); v.OK() || !v.Final {
		t.Errorf("no facts at all: %+v", v)
	}
	if v := Evaluate(Facts{Person: true, Approved: true, Acting: true}); v.OK() {
		t.Error("no facts of a person's run: allowed")
	}
	// What may be absent without changing the answer.
	fine := []string{"Attempt", "Person", "Approved", "Pauses", "StopFile", "StopErr", "Firing", "ResourceErr", "History", "Acting"}
	for n := range reflect.TypeFor[Facts]().NumField() {
		field := reflect.TypeFor[Facts]().Field(n).Name
		f := good()
		reflect.ValueOf(&f).Elem().Field(n).SetZero()
		if v := Evaluate(f); v.OK() != slices.Contains(fine, field) {
			t.Errorf("without %s: allowed %v (%s: %s)", field, v.OK(), v.Guard, v.Reason)
		}
	}
}

func TestModeInForce(t *testing.T) {
	for _, c := range []struct{ ceiling, policy, want receiver.Mode }{
		{receiver.ModeAuto, receiver.ModeAuto, receiver.ModeAuto},
		{receiver.ModeShadow, receiver.ModeAuto, receiver.ModeShadow},
		{receiver.ModeAuto, receiver.ModeApprove, receiver.ModeApprove},
		{receiver.ModeOff, receiver.ModeAuto, receiver.ModeOff},
	} {
		f := good()
		f.Ceiling, f.Policy.Mode = c.ceiling, c.policy
		if got := Mode(f); got != c.want {
			t.Errorf("ceiling %s, policy %s: %s", c.ceiling, c.policy, got)
		}
		f.Person = true
		if got := Mode(f); got != receiver.ModeAuto {
			t.Errorf("a person's run is %s", got)
		}
	}
	if got := Mode(Facts{Ceiling: receiver.ModeAuto}); got != receiver.ModeOff {
		t.Errorf("without a policy: %s", got)
	}
}
