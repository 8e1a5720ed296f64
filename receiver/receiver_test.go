package receiver_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/quick"
	"time"

	"github.com/google/go-cmp/cmp"

	. "github.com/chronoops/chronoops/receiver"
)

var states = []AttemptState{
	AttemptWaiting, AttemptBlocked, AttemptProposed, AttemptStarted, AttemptApplied, AttemptUndoing,
	AttemptVerified, AttemptFailed, AttemptUnknown, AttemptRefused, AttemptShadowed, AttemptDropped,
}

func TestAttemptMoves(t *testing.T) {
	// Rows are the state before, columns the state after, both in the order of states.
	table := []string{
		//  wbpsauvfkrhd
		".xxx....xxxx", // waiting
		".xxx....xxxx", // blocked
		"x..x....xx.x", // proposed
		"....x..xx...", // started
		"....xxxxx...", // applied
		".......xx...", // undoing
		"............", // verified
		"............", // failed
		"............", // unknown
		"............", // refused
		"............", // shadowed
		"............", // dropped
	}
	for r, from := range states {
		for c, to := range states {
			err := CheckMove(from, to)
			if allowed := table[r][c] == 'x'; allowed != (err == nil) {
				t.Errorf("from %s to %s: %v, want allowed %v", from, to, err, allowed)
			}
		}
	}
	for _, from := range append([]AttemptState{"", "wating"}, states...) {
		if CheckMove(from, "") == nil || CheckMove(from, "done") == nil || CheckMove("done", from) == nil {
			t.Errorf("a state that does not exist may follow or precede %q", from)
		}
	}
}

func TestAttemptStatesPartition(t *testing.T) {
	final := map[AttemptState]bool{
		AttemptVerified: true, AttemptFailed: true, AttemptUnknown: true, AttemptRefused: true, AttemptShadowed: true, AttemptDropped: true,
	}
	acting := map[AttemptState]bool{AttemptStarted: true, AttemptApplied: true, AttemptUndoing: true}
	for _, s := range states {
		if s.Final() != final[s] || s.Acting() != acting[s] {
			t.Errorf("%s: final %v, acting %v", s, s.Final(), s.Acting())
		}
	}
}

// From everywhere a final state can be reached, and an effect is never followed by a state that would act a second time.
func TestAttemptAlwaysEndsAndActsOnce(t *testing.T) {
	reach := func(from AttemptState) map[AttemptState]bool {
		seen := map[AttemptState]bool{}
		queue := []AttemptState{from}
		for len(queue) > 0 {
			for _, to := range states {
				if CheckMove(queue[0], to) == nil && !seen[to] {
					seen[to] = true
					queue = append(queue, to)
				}
			}
			queue = queue[1:]
		}
		return seen
	}
	for _, s := range states {
		to := reach(s)
		if !s.Final() && !slices.ContainsFunc(slices.Collect(maps.Keys(to)), AttemptState.Final) {
			t.Errorf("%s never ends", s)
		}
		if s.Acting() && to[AttemptStarted] {
			t.Errorf("%s can start again", s)
		}
		if s.Acting() && (to[AttemptWaiting] || to[AttemptDropped] || to[AttemptRefused]) {
			t.Errorf("%s can forget its effect", s)
		}
	}
}

func TestPriority(t *testing.T) {
	for p, target := range map[Priority]time.Duration{P0: 5 * time.Minute, P1: 30 * time.Minute, P2: 2 * time.Hour} {
		back, err := ParsePriority(p.String())
		if err != nil || back != p || p.ResponseTarget() != target {
			t.Errorf("%s: %v, %v, target %s", p, back, err, p.ResponseTarget())
		}
		text, err := json.Marshal(map[string]Priority{"p": p})
		var out map[string]Priority
		if err != nil || json.Unmarshal(text, &out) != nil || out["p"] != p {
			t.Errorf("%s in JSON is %s, %v", p, text, err)
		}
	}
	if P0 >= P1 || P1 >= P2 {
		t.Error("a smaller priority must be the more urgent one")
	}
	for _, bad := range []string{"", "P3", "p0", "P", "0", "P00", " P0", "critical"} {
		if p, err := ParsePriority(bad); err == nil {
			t.Errorf("%q was read as %s", bad, p)
		}
	}
}

func TestMode(t *testing.T) {
	modes := []Mode{ModeOff, ModeShadow, ModeApprove, ModeAuto}
	for n, m := range modes {
		back, err := ParseMode(m.String())
		if err != nil || back != m {
			t.Errorf("%s: %v, %v", m, back, err)
		}
		for k, other := range modes {
			if got := Stricter(m, other); got != modes[min(n, k)] || got != Stricter(other, m) {
				t.Errorf("stricter of %s and %s is %s", m, other, got)
			}
		}
	}
	for _, bad := range []string{"", "on", "AUTO", "automatic", "true", "mode(7)"} {
		if m, err := ParseMode(bad); err == nil || m != ModeOff {
			t.Errorf("%q was read as %s, %v", bad, m, err)
		}
	}
	if got := Mode(7).String() + Mode(-1).String(); got != "mode(7)mode(-1)" {
		t.Errorf("unknown modes are called %s", got)
	}
	var zero Mode
	if zero != ModeOff {
		t.Error("the zero mode must be off")
	}
}

func TestSendOutcome(t *testing.T) {
	refused := &SendError{Outcome: SendRefused, Reason: "auth", Err: errors.New("no such token")}
	for want, err := range map[SendOutcome]error{
		SendDelivered: nil,
		SendUnknown:   errors.New("connection reset"),
		SendRefused:   fmt.Errorf("send: %w", refused),
	} {
		if got := OutcomeOf(err); got != want {
			t.Errorf("outcome of %v is %s, want %s", err, got, want)
		}
	}
	if got := refused.Error(); got != "refused (auth): no such token" {
		t.Errorf("error reads %q", got)
	}
}

func TestAlertKey(t *testing.T) {
	same := func(a, b map[string]string, ignore ...string) bool { return AlertKey(a, ignore) == AlertKey(b, ignore) }
	api := map[string]string{"alertname": "ApiDown", "instance": "a", "replica": "1"}
	twin := map[string]string{"alertname": "ApiDown", "instance": "a", "replica": "2"}
	if same(api, twin) || !same(api, twin, "replica") {
		t.Error("an ignored label decides, or one that is not ignored does not")
	}
	if !same(api, map[string]string{"alertname": "ApiDown", "instance": "a"}, "replica") {
		t.Error("an ignored label must be as good as none")
	}
	for _, pair := range [][2]map[string]string{
		{{"a": "1,b=2"}, {"a": "1", "b": "2"}},
		{{"a": `1","b"="2`}, {"a": "1", "b": "2"}},
		{{"a": ""}, {}},
		{{"a": "b"}, {"b": "a"}},
		{{"a": "\xff"}, {"a": "\ufffd"}},
		{{"a": "é"}, {"a": "e\u0301"}},
		{{"a": "\x00"}, {"a": "\\x00"}},
	} {
		if same(pair[0], pair[1]) {
			t.Errorf("%q and %q are one alert", pair[0], pair[1])
		}
	}
}

func TestAlertKeyIsInjective(t *testing.T) {
	err := quick.Check(func(a, b map[string]string) bool {
		return (AlertKey(a, nil) == AlertKey(b, nil)) == maps.Equal(a, b) && AlertKey(a, nil) == AlertKey(maps.Clone(a), nil)
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

func TestGroupKey(t *testing.T) {
	key := func(receiver string, labels map[string]string) string {
		return Group{Source: "prod", Receiver: receiver, Labels: labels}.Key()
	}
	if key("a", nil) != key("a", map[string]string{}) {
		t.Error("no labels and an empty set of labels are two groups")
	}
	if key("a", nil) == key("b", nil) || key("a", map[string]string{"x": "1"}) == key("a", map[string]string{"x": "2"}) {
		t.Error("two groups have one key")
	}
	err := quick.Check(func(r1, r2 string, l1, l2 map[string]string) bool {
		return (key(r1, l1) == key(r2, l2)) == (r1 == r2 && maps.Equal(l1, l2))
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

func plan() Plan {
	return Plan{
		Action: "files.clean", Resource: "files/var/log", Summary: "Delete 2 files", Steps: []string{"delete a", "delete b"},
		Params: map[string]any{"roots": []string{"/var/log"}, "max_bytes": int64(5 << 30), "older_than": "7d", "dry": false, "list": []any{1, "x", nil}},
		Data:   json.RawMessage(`{"files": ["a", "b"], "text": "<&>"}`), Limits: map[string]string{"max_bytes": "5GB"},
		Made: time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC),
	}
}

func TestPlanHashNamesWhatWasShown(t *testing.T) {
	base := plan().Hash()
	for what, change := range map[string]func(*Plan){
		"action":           func(p *Plan) { p.Action = "files.free" },
		"resource":         func(p *Plan) { p.Resource = "files/srv" },
		"parameter":        func(p *Plan) { p.Params["older_than"] = "1d" },
		"another type":     func(p *Plan) { p.Params["max_bytes"] = "5368709120" },
		"parameter gone":   func(p *Plan) { delete(p.Params, "dry") },
		"limit":            func(p *Plan) { p.Limits["max_bytes"] = "50GB" },
		"data":             func(p *Plan) { p.Data = json.RawMessage(`{"files": ["a", "b", "c"]}`) },
		"no data":          func(p *Plan) { p.Data = nil },
		"action/resource":  func(p *Plan) { p.Action, p.Resource = "files.clean/files", "var/log" },
		"limits as params": func(p *Plan) { p.Params, p.Limits = map[string]any{"max_bytes": "5GB"}, nil },
	} {
		p := plan()
		change(&p)
		if p.Hash() == base || p.Hash() == "" {
			t.Errorf("%s: hash stays, or is empty: %q", what, p.Hash())
		}
	}
	p := plan()
	p.Summary, p.Steps, p.Made = "Remove two files", nil, time.Now()
	if p.Hash() != base {
		t.Error("the hash depends on the wording or the time")
	}
}

func TestPlanHashSurvivesStorage(t *testing.T) {
	plans := map[string]Plan{"full": plan(), "zero": {}}
	empty := plan()
	empty.Params, empty.Limits, empty.Data = map[string]any{}, map[string]string{}, json.RawMessage{}
	plans["empty, not nil"] = empty
	spaced := plan()
	spaced.Data = json.RawMessage("{\n  \"a\" : 1.50,\n \"z\": 9007199254740993 }")
	plans["numbers and spaces in data"] = spaced
	null := plan()
	null.Data = json.RawMessage("null")
	plans["null data"] = null
	for name, p := range plans {
		text, err := json.Marshal(p)
		var back Plan
		if err != nil || json.Unmarshal(text, &back) != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Hash() == "" || back.Hash() != p.Hash() {
			t.Errorf("%s: hash %q before, %q after storage", name, p.Hash(), back.Hash())
		}
	}
}

// A plan that cannot be named has no hash, and is like no other plan, not even itself: nobody can have approved it.
func TestPlanThatCannotBeHashed(t *testing.T) {
	broken := Plan{Data: json.RawMessage(`{"a":`)}
	if broken.Hash() != "" {
		t.Errorf("broken data: hash %q", broken.Hash())
	}
	for name, value := range map[string]any{"not JSON": math.NaN(), "a function": func() {}} {
		p := Plan{Params: map[string]any{"x": value}}
		if p.Hash() != "" || p.SameTerms(p) {
			t.Errorf("%s: hash %q, same terms %v", name, p.Hash(), p.SameTerms(p))
		}
	}
}

func TestPlanSameTerms(t *testing.T) {
	p, found, larger := plan(), plan(), plan()
	found.Data = json.RawMessage(`{"files": ["c"]}`)
	larger.Limits["max_bytes"] = "50GB"
	if !p.SameTerms(found) || p.SameTerms(larger) || p.SameTerms(Plan{}) {
		t.Error("terms are what was decided, not what was found")
	}
	if none, empty := (Plan{}), (Plan{Params: map[string]any{}, Limits: map[string]string{}}); !none.SameTerms(empty) {
		t.Error("nothing and empty are other terms")
	}
}

func TestAckCovers(t *testing.T) {
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	ack := &Ack{By: "ann", Until: now.Add(time.Hour), Episodes: []int64{1, 2}, Priority: P1}
	for _, c := range []struct {
		name    string
		ack     *Ack
		episode int64
		p       Priority
		after   time.Duration
		want    bool
	}{
		{"what was shown", ack, 1, P1, 0, true},
		{"less urgent", ack, 2, P2, 0, true},
		{"more urgent", ack, 2, P0, 0, false},
		{"a new alert", ack, 3, P1, 0, false},
		{"just before the end", ack, 1, P1, time.Hour - 1, true},
		{"at the end", ack, 1, P1, time.Hour, false},
		{"no acknowledgement", nil, 1, P1, 0, false},
		{"without episodes", &Ack{Until: now.Add(time.Hour)}, 1, P2, 0, false},
	} {
		if got := c.ack.Covers(c.episode, c.p, now.Add(c.after)); got != c.want {
			t.Errorf("%s: covers %v", c.name, got)
		}
	}
}

func TestPauseActive(t *testing.T) {
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	got := []bool{Pause{}.Active(now), Pause{Until: now.Add(1)}.Active(now), Pause{Until: now}.Active(now), Pause{Until: now.Add(-1)}.Active(now)}
	if diff := cmp.Diff([]bool{true, true, false, false}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSystemClockNeverRunsBackwards(t *testing.T) {
	c := NewSystemClock()
	if d := time.Since(c.Now()).Abs(); d > time.Second {
		t.Errorf("clock differs from the wall clock by %s", d)
	}
	if c.Now().Location() != time.UTC {
		t.Error("clock does not tell UTC")
	}
	last := c.Now()
	for range 10000 {
		now := c.Now()
		if now.Before(last) {
			t.Fatalf("clock ran from %s back to %s", last, now)
		}
		last = now
	}
	before := c.Now()
	c.AtLeast(before.Add(-time.Hour))
	if d := c.Now().Sub(before); d < 0 || d > time.Minute {
		t.Errorf("a time in the past moved the clock by %s", d)
	}
	// However many ask at once, the clock moves to that time and not beyond it.
	goal := c.Now().Add(time.Hour)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() { c.AtLeast(goal) })
	}
	wg.Wait()
	if d := c.Now().Sub(goal); d < 0 || d > time.Minute {
		t.Errorf("clock is %s past the time it was moved to", d)
	}
}
