package engine_test

import (
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/policy"
)

// twoRepairs adds a policy that repairs the disk alert by another action on another resource.
func twoRepairs(t *testing.T, w *world) {
	t.Helper()
	match, err := policy.ParseMatchers([]string{`alertname="` + disk("a")["alertname"] + `"`})
	if err != nil {
		t.Fatal(err)
	}
	p := w.set.Policies[0]
	p.Name, p.Match = "disk", match
	step := p.Repair[0]
	step.Action = "fake.next"
	step.Verify.HoldDown = model.Duration(150 * time.Second)
	step.Verify.Within = model.Duration(200 * time.Second)
	p.Repair = []policy.Step{step}
	w.set.Policies = append(w.set.Policies, p)
	w.next.resource = "fake/disk"
	w.fix.onApply, w.next.onApply = nil, nil
}

func TestUnprovenRepairKeepsTheIncidentOpenBesideAProvenOne(t *testing.T) {
	w := newWorld(t)
	twoRepairs(t, w)
	w.fix.works = false
	w.post("firing", api("a"), disk("a"))
	w.pass(5 * time.Second)
	w.post("resolved", api("a"), disk("a"))
	w.pass(5 * time.Minute)
	w.wantStates(1, receiver.AttemptFailed, receiver.AttemptVerified)
	w.wantPages("+2m0s oncall/email firing")
	if i := w.incident(1); !i.Open() {
		t.Errorf("closed by %q although one of its repairs could not be proven", i.ResolvedBy)
	}
}

func TestUnprovenRepairEndsTheHoldOfAnother(t *testing.T) {
	w := newWorld(t)
	twoRepairs(t, w)
	w.fix.works = false
	w.post("firing", api("a"), disk("a"))
	w.pass(5 * time.Second)
	w.post("resolved", api("a"))
	w.pass(2*time.Minute + 10*time.Second)
	w.wantPages("+2m0s oncall/email firing")
}
