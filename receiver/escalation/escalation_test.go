package escalation

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/receiver"
)

var opened = time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)

const hold = 5 * time.Minute

// three has levels of 15, 30 and 60 minutes that page a, b and c.
var three = receiver.Ladder{Name: "default", Levels: []receiver.Level{
	{Timeout: 15 * time.Minute, Roles: []string{"a"}},
	{Timeout: 30 * time.Minute, Roles: []string{"b"}},
	{Timeout: time.Hour, Roles: []string{"c"}},
}}

func everybody([]string) bool { return true }

func only(roles ...string) func([]string) bool {
	return func(asked []string) bool {
		return slices.ContainsFunc(asked, func(r string) bool { return slices.Contains(roles, r) })
	}
}

// at is the input of an incident of P1 with one firing episode per repair state, some time after it opened.
func at(after time.Duration, repairs ...receiver.RepairState) Input {
	in := Input{
		Now: opened.Add(after), Hold: hold, Reachable: everybody,
		Incident: receiver.Incident{ID: 1, Priority: receiver.P1, Opened: opened, Due: opened, Ladder: three},
	}
	for n, r := range repairs {
		in.Episodes = append(in.Episodes, receiver.Episode{ID: int64(n + 1), Incident: 1, Priority: receiver.P1, Opened: opened, Repair: r})
	}
	return in
}

func (in Input) with(change func(*Input)) Input {
	change(&in)
	return in
}

func resolved(n int) func(*Input) { return func(in *Input) { in.Episodes[n].Resolved = in.Now } }

func TestHold(t *testing.T) {
	const (
		none, pending, running = receiver.RepairNone, receiver.RepairPending, receiver.RepairRunning
		verified, failed       = receiver.RepairVerified, receiver.RepairFailed
		unknown                = receiver.RepairUnknown
	)
	for _, c := range []struct {
		name string
		in   Input
		held time.Duration // after the opening; 0: paged now
	}{
		{"nothing repairs", at(0, none), 0},
		{"running", at(0, running), hold},
		{"verified, the alert has yet to clear", at(time.Minute, verified), hold},
		{"about to be decided", at(0, pending), decideGrace},
		{"still not decided", at(decideGrace, pending), 0},
		{"failed", at(time.Minute, failed), 0},
		{"unknown", at(time.Minute, unknown), 0},
		{"all are repaired", at(0, running, verified), hold},
		{"one is not", at(0, running, none), 0},
		{"one has failed", at(0, running, failed), 0},
		{"one is to be decided", at(0, running, pending), decideGrace},
		{"the one without repair has resolved", at(0, running, none).with(resolved(1)), hold},
		{"the one being repaired has resolved", at(0, running, none).with(resolved(0)), 0},
		{"a second one comes later and is to be decided", at(time.Minute, running, pending).with(func(in *Input) {
			in.Episodes[1].Opened = in.Now
		}), time.Minute + decideGrace},
		{"a second one comes just before the end", at(hold-time.Second, running, pending).with(func(in *Input) {
			in.Episodes[1].Opened = in.Now
		}), hold},
		{"just before the bound", at(hold-1, running), hold},
		{"at the bound", at(hold, running), 0},
		{"P0 is never held", at(0, running).with(func(in *Input) { in.Incident.Priority = receiver.P0 }), 0},
		{"P2 is", at(0, running).with(func(in *Input) { in.Incident.Priority = receiver.P2 }), hold},
		{"holding is switched off", at(0, running).with(func(in *Input) { in.Hold = 0 }), 0},
		{"reopened after the bound", at(8*time.Minute, running).with(func(in *Input) { in.Episodes[0].Opened = in.Now }), 0},
		{"reopened within the bound", at(3*time.Minute, running).with(func(in *Input) { in.Episodes[0].Opened = in.Now }), hold},
	} {
		step := Next(c.in)
		if c.held == 0 {
			if step.Incident.Held || step.Incident.Level != 1 || !slices.Equal(step.Roles, []string{"a"}) {
				t.Errorf("%s: not paged: %+v", c.name, step)
			}
			continue
		}
		if !step.Incident.Held || len(step.Roles) != 0 || step.Incident.Level != 0 || !step.Incident.Due.Equal(opened.Add(c.held)) {
			t.Errorf("%s: due %s, held %v, roles %v, want held until +%s", c.name, step.Incident.Due.Sub(opened), step.Incident.Held, step.Roles, c.held)
		}
		if !strings.Contains(step.Why, "waits for the repair until "+step.Incident.Due.Format(time.RFC3339)) {
			t.Errorf("%s: why %q", c.name, step.Why)
		}
		// The timeline says it once.
		again := c.in
		again.Incident = step.Incident
		if step = Next(again); step.Why != "" || !step.Incident.Held {
			t.Errorf("%s: said again: %q", c.name, step.Why)
		}
	}
}

// Once somebody has been paged, a repair that begins later does not stop the ladder.
func TestNoHoldAfterTheFirstPage(t *testing.T) {
	in := at(time.Minute, receiver.RepairRunning).with(func(in *Input) { in.Incident.Level = 1 })
	if step := Next(in); step.Incident.Level != 2 || step.Incident.Held {
		t.Errorf("%+v", step)
	}
}

func TestLadder(t *testing.T) {
	type paged struct {
		After time.Duration
		Level int
		Round int
		Roles string
		Why   string
	}
	run := func(in Input, steps int) (list []paged) {
		for range steps {
			step := Next(in)
			i := step.Incident
			list = append(list, paged{in.Now.Sub(opened), i.Level, i.Round, strings.Join(step.Roles, ","), step.Why})
			if !i.Due.After(in.Now) {
				t.Fatalf("due %s is not after now %s", i.Due, in.Now)
			}
			in.Incident, in.Now = i, i.Due
		}
		return list
	}
	for _, c := range []struct {
		name string
		in   Input
		want []paged
	}{
		{"everybody, capped by the response target", at(0, receiver.RepairNone), []paged{
			{0, 1, 0, "a", ""},
			{15 * time.Minute, 2, 0, "b", "level 1 has not acknowledged in time"},
			{45 * time.Minute, 3, 0, "c", "level 2 has not acknowledged in time"},
			{75 * time.Minute, 3, 1, "c", "nobody has acknowledged, repeat 1"},
			{105 * time.Minute, 3, 2, "c", "nobody has acknowledged, repeat 2"},
		}},
		{"P0 waits five minutes at most", at(0, receiver.RepairRunning).with(func(in *Input) { in.Incident.Priority = receiver.P0 }), []paged{
			{0, 1, 0, "a", ""},
			{5 * time.Minute, 2, 0, "b", "level 1 has not acknowledged in time"},
			{10 * time.Minute, 3, 0, "c", "level 2 has not acknowledged in time"},
			{15 * time.Minute, 3, 1, "c", "nobody has acknowledged, repeat 1"},
		}},
		{"P2 waits as long as its levels say", at(0, receiver.RepairNone).with(func(in *Input) { in.Incident.Priority = receiver.P2 }), []paged{
			{0, 1, 0, "a", ""},
			{15 * time.Minute, 2, 0, "b", "level 1 has not acknowledged in time"},
			{45 * time.Minute, 3, 0, "c", "level 2 has not acknowledged in time"},
			{105 * time.Minute, 3, 1, "c", "nobody has acknowledged, repeat 1"},
		}},
		{"the first level cannot be reached", at(0, receiver.RepairNone).with(func(in *Input) { in.Reachable = only("b", "c") }), []paged{
			{0, 2, 0, "b", "nobody can be reached at level 1"},
			{30 * time.Minute, 3, 0, "c", "level 2 has not acknowledged in time"},
		}},
		{"the middle cannot", at(0, receiver.RepairNone).with(func(in *Input) { in.Reachable = only("a", "c") }), []paged{
			{0, 1, 0, "a", ""},
			{15 * time.Minute, 3, 0, "c", "nobody can be reached at level 2"},
		}},
		{"the last cannot: the one before repeats", at(0, receiver.RepairNone).with(func(in *Input) { in.Reachable = only("a") }), []paged{
			{0, 1, 0, "a", ""},
			{15 * time.Minute, 1, 1, "a", "nobody has acknowledged, repeat 1"},
			{30 * time.Minute, 1, 2, "a", "nobody has acknowledged, repeat 2"},
		}},
		{"nobody can", at(0, receiver.RepairNone).with(func(in *Input) { in.Reachable = only() }), []paged{
			{0, 0, 1, "", "nobody can be paged: no level has a contact with a working channel"},
			{time.Minute, 0, 2, "", ""},
			{2 * time.Minute, 0, 3, "", ""},
		}},
		{"no ladder", at(0, receiver.RepairNone).with(func(in *Input) { in.Incident.Ladder = receiver.Ladder{Name: "default"} }), []paged{
			{0, 0, 1, "", "nobody is paged: no escalation is configured"},
			{time.Minute, 0, 2, "", ""},
		}},
		{"reopened goes from the start", at(20*time.Minute, receiver.RepairNone), []paged{
			{20 * time.Minute, 1, 0, "a", ""},
			{35 * time.Minute, 2, 0, "b", "level 1 has not acknowledged in time"},
		}},
	} {
		if diff := cmp.Diff(c.want, run(c.in, len(c.want))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// People who come back are paged, from the lowest level on that has not been.
func TestReachableAgain(t *testing.T) {
	in := at(0, receiver.RepairNone)
	in.Reachable = only()
	step := Next(in)
	in.Incident, in.Now, in.Reachable = step.Incident, step.Incident.Due, only("b")
	step = Next(in)
	if step.Incident.Level != 2 || step.Incident.Round != 0 || !slices.Equal(step.Roles, []string{"b"}) {
		t.Errorf("%+v", step)
	}
	// The higher levels are gone again: who is left is paged.
	in.Incident, in.Now, in.Reachable = step.Incident, step.Incident.Due, only("a")
	step = Next(in)
	if step.Incident.Level != 1 || !slices.Equal(step.Roles, []string{"a"}) {
		t.Errorf("%+v", step)
	}
}

func TestAcknowledgement(t *testing.T) {
	acked := func(after time.Duration, change func(*Input)) Input {
		in := at(after, receiver.RepairNone, receiver.RepairFailed)
		in.Incident.Level = 2
		in.Incident.Round = 1
		in.Incident.Ack = &receiver.Ack{By: "ann", At: opened, Until: opened.Add(time.Hour), Episodes: []int64{1, 2}, Priority: receiver.P1}
		if change != nil {
			change(&in)
		}
		return in
	}
	for _, c := range []struct {
		name string
		in   Input
		why  string // "": still covered
	}{
		{"covers everything", acked(time.Minute, nil), ""},
		{"just before its end", acked(time.Hour-1, nil), ""},
		{"at its end", acked(time.Hour, nil), "the acknowledgement of ann expired"},
		{"a new alert", acked(time.Minute, func(in *Input) {
			in.Episodes = append(in.Episodes, receiver.Episode{ID: 3, Priority: receiver.P2, Opened: in.Now})
		}), "the acknowledgement of ann no longer covers the incident"},
		{"a new alert that has resolved", acked(time.Minute, func(in *Input) {
			in.Episodes = append(in.Episodes, receiver.Episode{ID: 3, Priority: receiver.P2, Opened: in.Now, Resolved: in.Now})
		}), ""},
		{"a more urgent alert", acked(time.Minute, func(in *Input) { in.Episodes[1].Priority = receiver.P0 }), "no longer covers"},
		{"a new alert that is being repaired", acked(time.Minute, func(in *Input) {
			in.Episodes = append(in.Episodes, receiver.Episode{ID: 3, Priority: receiver.P1, Opened: in.Now, Repair: receiver.RepairRunning})
		}), "no longer covers"},
		{"ended by a failed repair", acked(time.Minute, func(in *Input) { in.Incident.Ack.Until = in.Now }), "expired"},
	} {
		step := Next(c.in)
		if c.why == "" {
			if step.Incident.Ack == nil || len(step.Roles) != 0 || step.Why != "" || step.Incident.Level != 2 || !step.Incident.Due.Equal(opened.Add(time.Hour)) {
				t.Errorf("%s: %+v", c.name, step)
			}
			continue
		}
		if step.Incident.Ack != nil || step.Incident.Level != 1 || step.Incident.Round != 0 || !slices.Equal(step.Roles, []string{"a"}) || !strings.Contains(step.Why, c.why) {
			t.Errorf("%s: %+v, want level 1 because %s", c.name, step, c.why)
		}
	}
}

// Whatever the input: time goes on, P0 is never held, nobody waits longer than the priority allows, and who is paged can be
// reached.
func TestNextProperties(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	repairs := []receiver.RepairState{
		receiver.RepairNone, receiver.RepairPending, receiver.RepairRunning, receiver.RepairVerified, receiver.RepairFailed, receiver.RepairUnknown,
	}
	for range 50000 {
		in := at(time.Duration(rnd.IntN(7200))*time.Second, repairs[rnd.IntN(6)], repairs[rnd.IntN(6)])
		in.Incident.Priority = receiver.Priority(rnd.IntN(3))
		in.Incident.Level, in.Incident.Round = rnd.IntN(4), rnd.IntN(3)
		in.Hold = time.Duration(rnd.IntN(600)) * time.Second
		reachable := []string{"a", "b", "c"}[rnd.IntN(3):]
		in.Reachable = only(reachable[:rnd.IntN(len(reachable)+1)]...)
		if rnd.IntN(2) == 0 {
			in.Incident.Ack = &receiver.Ack{By: "ann", Until: opened.Add(time.Duration(rnd.IntN(7200)) * time.Second), Episodes: []int64{1, int64(1 + rnd.IntN(2))}, Priority: receiver.Priority(rnd.IntN(3))}
		}
		in.Incident.Held = in.Incident.Ack == nil && in.Incident.Level == 0 && rnd.IntN(2) == 0
		step := Next(in)
		i := step.Incident
		switch {
		case !i.Due.After(in.Now):
			t.Fatalf("%+v: due %s is not in the future", in, i.Due)
		case i.Held && i.Priority == receiver.P0:
			t.Fatalf("%+v: P0 is held", in)
		case i.Held && i.Due.After(opened.Add(in.Hold)):
			t.Fatalf("%+v: held beyond the bound", in)
		case i.Held && len(step.Roles) > 0:
			t.Fatalf("%+v: held and paged", in)
		case i.Ack == nil && !i.Held && i.Due.Sub(in.Now) > i.Priority.ResponseTarget():
			t.Fatalf("%+v: next look in %s", in, i.Due.Sub(in.Now))
		case len(step.Roles) > 0 && !in.Reachable(step.Roles):
			t.Fatalf("%+v: pages %v, who cannot be reached", in, step.Roles)
		case i.Ack == nil && !i.Held && len(step.Roles) == 0 && slices.ContainsFunc(three.Levels, func(l receiver.Level) bool { return in.Reachable(l.Roles) }):
			t.Fatalf("%+v: nobody is paged though somebody could be", in)
		case i.Ack != nil && in.Incident.Ack == nil, i.Priority != in.Incident.Priority, !i.Opened.Equal(opened), !i.Open():
			t.Fatalf("%+v: changed what is not its own: %+v", in, i)
		}
	}
}
