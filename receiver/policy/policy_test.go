package policy

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"

	"github.com/chronoops/chronoops/receiver"
)

// load decodes as the configuration is decoded: unknown keys are faults.
func load[T any](text string) (v T, err error) {
	err = yaml.Load([]byte(text), &v, yaml.WithKnownFields())
	return v, err
}

func mustLoad[T any](t *testing.T, text string) T {
	t.Helper()
	v, err := load[T](text)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return v
}

func wantErrors[T any](t *testing.T, cases map[string]string) {
	t.Helper()
	for text, want := range cases {
		_, err := load[T](text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && err == nil:
			t.Errorf("%s was accepted", text)
		case want != "" && !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want a word about %q", text, err, want)
		}
	}
}

func TestPolicyDefaults(t *testing.T) {
	p := mustLoad[Policy](t, `{name: api-down, match: ['alertname="ApiDown"'], repair: [{action: systemd.restart}]}`)
	minute := model.Duration(time.Minute)
	if p.Mode != receiver.ModeShadow || p.Escalate != DefaultLadder || p.MaxAge != 15*minute || p.Priority != nil || p.ActWhenAcked {
		t.Errorf("defaults are %+v", p)
	}
	want := []Step{{
		Action: "systemd.restart", Cooldown: 10 * minute, MaxAttempts: 1, MaxPerDay: 6, Timeout: 2 * minute,
		Verify: Verify{Within: 10 * minute, Interval: model.Duration(5 * time.Second), HoldDown: minute},
	}}
	if diff := cmp.Diff(want, p.Repair); diff != "" {
		t.Errorf("step (-want +got):\n%s", diff)
	}
}

func TestPolicyWhole(t *testing.T) {
	text := `
name: api-down
match: ['alertname="ApiDown"', 'instance=~"a|b"']
unless: ['alertname="PostgresDown"']
priority: P0
mode: auto
escalate: night
max_age: 5m
act_when_acked: true
repair:
  - action: systemd.restart
    with: {unit: api.service, wait: 3s}
    cooldown: 1h
    max_attempts: 2
    max_per_day: 3
    timeout: 90s
    rollback: true
    verify: {probe: api, promql: 'up == 1', within: 3m, interval: 1s, hold_down: 0s}
`
	p := mustLoad[Policy](t, text)
	if p.Mode != receiver.ModeAuto || *p.Priority != receiver.P0 || p.Escalate != "night" || len(p.Match) != 2 || len(p.Unless) != 1 || !p.ActWhenAcked {
		t.Errorf("policy is %+v", p)
	}
	s := p.Repair[0]
	if s.With["unit"] != "api.service" || s.MaxAttempts != 2 || s.MaxPerDay != 3 || !s.Rollback || s.Verify.Probe != "api" || s.Verify.HoldDown != 0 {
		t.Errorf("step is %+v", s)
	}
	// What `check config` prints can be read again, and means the same.
	out, err := yaml.Dump(p)
	if err != nil {
		t.Fatal(err)
	}
	again := mustLoad[Policy](t, string(out))
	a, errA := json.Marshal(p)
	b, errB := json.Marshal(again)
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Errorf("%v %v: read again it is\n%s\nwant\n%s", errA, errB, b, a)
	}
}

func TestPolicyIsRefused(t *testing.T) {
	wantErrors[Policy](t, map[string]string{
		`{match: ['a="b"']}`:                                           "add `name: …`",
		`{name: x}`:                                                    "add `match:",
		`{name: x, match: []}`:                                         "add `match:",
		`{name: x, match: 'a="b"'}`:                                    "[]string",
		`{name: x, match: ['alertname=""']}`:                           "matches every alert",
		`{name: x, match: ['alertname!="Watchdog"']}`:                  "matches every alert",
		`{name: x, match: ['alertname=~".*"']}`:                        "matches every alert",
		`{name: x, match: ['alertname=~".+"']}`:                        "matches every alert",
		`{name: x, match: ['alertname!=""']}`:                          "matches every alert",
		`{name: x, match: ['alertname!~"Watchdog|Info"']}`:             "matches every alert",
		`{name: x, match: ['alertname=~"A|.+"']}`:                      "matches every alert",
		`{name: x, match: ['alertname=~".+", 'x']}`:                    "did not find",
		`{name: x, match: ['alertname!="", 'severity']}`:               "did not find",
		`{name: x, match: ['alertname=~".+"', 'severity="critical"']}`: "",
		`{name: x, match: ['alertname!="Watchdog"', 'job="api"']}`:     "",
		`{name: x, match: ['alertname=~"Api.+"']}`:                     "",
		`{name: x, match: ['ApiDown']}`:                                "write it as",
		`{name: x, match: ['a=~"("']}`:                                 "missing closing )",
		`{name: x, match: ['a="b"'], unless: ['c!="d"']}`:              "no repair would ever run",
		`{name: x, match: ['a="b"'], unless: ['c="d"']}`:               "",
		`{name: x, match: ['a="b"'], max_age: 0s}`:                     "max_age must be positive",
		`{name: x, match: ['a="b"'], max_age: soon}`:                   "duration",
		`{name: x, match: ['a="b"'], mode: on}`:                        "want off, shadow, approve or auto",
		`{name: x, match: ['a="b"'], mode: off}`:                       "",
		`{name: x, match: ['a="b"'], priority: P9}`:                    "want P0, P1 or P2",
		`{name: x, match: ['a="b"'], priority: 1}`:                     "want P0, P1 or P2",
		`{name: x, match: ['a="b"'], escalation: y}`:                   "escalation",
		`{name: x, match: ['a="b"'], name: y}`:                         "name",
		`{name: x, match: ['a="b"'], repair: [{actoin: y}]}`:           "actoin",
		`{name: x, match: ['a="b"'], repair: [{with: {a: b}}]}`:        "add `action: …`",
	})
}

func TestStepIsRefused(t *testing.T) {
	wantErrors[Step](t, map[string]string{
		`{action: x}`:                                                      "",
		`{action: x, cooldown: 0s}`:                                        "",
		`{action: x, max_attempts: 0}`:                                     "max_attempts must be at least 1",
		`{action: x, max_attempts: -1}`:                                    "max_attempts must be at least 1",
		`{action: x, max_per_day: 0}`:                                      "max_per_day must be at least 1",
		`{action: x, timeout: 0s}`:                                         "between 1s and 1h",
		`{action: x, timeout: 10ms}`:                                       "between 1s and 1h",
		`{action: x, timeout: 61m}`:                                        "between 1s and 1h",
		`{action: x, timeout: 1h}`:                                         "",
		`{action: x, cooldown: -1m}`:                                       "duration",
		`{action: x, verify: {within: 1m, hold_down: 1m}}`:                 "hold_down 1m must be shorter than within 1m",
		`{action: x, verify: {within: 0s}}`:                                "must be positive",
		`{action: x, verify: {interval: 0s}}`:                              "must be positive",
		`{action: x, verify: {prob: api}}`:                                 "prob",
		`{action: x, verify: {promql: up, within: 2m, hold_down: 0s}}`:     "",
		`{action: x, verify: {probe: api, promql: up, unknown_key: true}}`: "unknown_key",
	})
}

func TestMatchers(t *testing.T) {
	labels := map[string]string{"alertname": "ApiDown", "instance": "a:9090", "empty": "", "名字": "值"}
	for text, want := range map[string]bool{
		`alertname="ApiDown"`:          true,
		`alertname=ApiDown`:            true,
		`alertname!="ApiDown"`:         false,
		`alertname=~"Api"`:             false, // anchored
		`alertname=~"Api.*"`:           true,
		`instance!~"b:.*"`:             true,
		`missing=""`:                   true,
		`missing!=""`:                  false,
		`empty=""`:                     true,
		`missing=~".*"`:                true,
		`名字="值"`:                       true,
		`alertname="apidown"`:          false,
		`alertname=~"(?i)apidown"`:     true,
		`instance="a:9090" `:           true,
		`"alertname"="ApiDown"`:        true,
		`alertname="ApiDown\" or \"1"`: false,
	} {
		m, err := ParseMatchers([]string{text})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := m.Matches(labels); got != want {
			t.Errorf("%s matches %v, want %v", text, got, want)
		}
		again, err := ParseMatchers(m.texts())
		if err != nil || again.Matches(labels) != want {
			t.Errorf("%s is written as %s: %v", text, m.texts(), err)
		}
	}
	if !Matchers(nil).Matches(labels) {
		t.Error("no matchers must match")
	}
	for _, bad := range []string{"", "a", "a==b", `a="b`, `="b"`, `{a="b"`, `a="b",c="d"`, "a=~["} {
		if _, err := ParseMatchers([]string{bad}); err == nil || !strings.Contains(err.Error(), "write it as") {
			t.Errorf("%q: %v, want a refusal with a hint", bad, err)
		}
	}
}

func TestLadders(t *testing.T) {
	minutes := func(n int) Minutes { return Minutes(time.Duration(n) * time.Minute) }
	guide := `
- level: 1
  timeout: 15  # 15分钟
  contacts: ["运维工程师"]
- level: 2
  timeout: 30
  contacts: ["技术负责人", "数据库管理员"]
- {level: 3, timeout: 90s, contacts: ["所有人"]}
`
	want := Ladders{DefaultLadder: {
		{1, minutes(15), []string{"运维工程师"}}, {2, minutes(30), []string{"技术负责人", "数据库管理员"}}, {3, Minutes(90 * time.Second), []string{"所有人"}},
	}}
	got := mustLoad[Ladders](t, guide)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	named := mustLoad[Ladders](t, "default: [{level: 1, timeout: 5m, contacts: [a, b]}]\nnight: [{level: 1, timeout: 1, contacts: [b]}, {level: 2, timeout: 1h, contacts: [c]}]")
	if diff := cmp.Diff([]string{"a", "b", "c"}, named.Roles()); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	frozen := named.freeze("night")
	wantFrozen := receiver.Ladder{Name: "night", Levels: []receiver.Level{{Timeout: time.Minute, Roles: []string{"b"}}, {Timeout: time.Hour, Roles: []string{"c"}}}}
	if diff := cmp.Diff(wantFrozen, frozen); diff != "" {
		t.Errorf("frozen (-want +got):\n%s", diff)
	}
	// A frozen ladder is a copy: a later change of the configuration must not reach it.
	named["night"][0].Contacts[0] = "somebody else"
	if frozen.Levels[0].Roles[0] != "b" {
		t.Error("a frozen ladder changes with the configuration")
	}
	if none := named.freeze("no such"); none.Name != "no such" || len(none.Levels) != 0 {
		t.Errorf("a ladder that does not exist is %+v", none)
	}
	out, err := yaml.Dump(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, mustLoad[Ladders](t, string(out))); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

func TestLaddersAreRefused(t *testing.T) {
	wantErrors[Ladders](t, map[string]string{
		`[]`:              "it has no level",
		`{default: []}`:   "escalation default: it has no level",
		`{a: {level: 1}}`: "cannot",
		`text`:            "cannot",
		`[{level: 2, timeout: 15, contacts: [a]}]`:                                                "level 2 stands where level 1 is expected",
		`[{timeout: 15, contacts: [a]}]`:                                                          "level 0 stands where level 1 is expected",
		`[{level: 1, timeout: 1, contacts: [a]}, {level: 1, timeout: 1, contacts: [a]}]`:          "level 1 stands where level 2",
		`{night: [{level: 1, timeout: 1, contacts: [a]}, {level: 3, timeout: 1, contacts: [a]}]}`: "escalation night: level 3 stands where level 2",
		`[{level: 1, contacts: [a]}]`:                                                             "timeout must be positive",
		`[{level: 1, timeout: 0, contacts: [a]}]`:                                                 "timeout must be positive",
		`[{level: 1, timeout: -5, contacts: [a]}]`:                                                "timeout must be positive",
		`[{level: 1, timeout: 1.5, contacts: [a]}]`:                                               "write minutes as a number",
		`[{level: 1, timeout: soon, contacts: [a]}]`:                                              "write minutes as a number",
		`[{level: 1, timeout: 9223372036854775807, contacts: [a]}]`:                               "timeout",
		`[{level: 1, timeout: 307445734561826, contacts: [a]}]`:                                   "timeout",
		`[{level: 1, timeout: 15, contacts: []}]`:                                                 "name at least one role",
		`[{level: 1, timeout: 15}]`:                                                               "name at least one role",
		`[{level: 1, timeout: 15, contact: [a]}]`:                                                 "contact",
		`[{level: 1, timeout: 15, contacts: [a], channel: sms}]`:                                  "channel",
	})
}

func TestDecide(t *testing.T) {
	set := Set{
		Mode: receiver.ModeAuto,
		Policies: []Policy{
			mustLoad[Policy](t, `{name: first, match: ['alertname="ApiDown"', 'instance="a"'], escalate: night}`),
			mustLoad[Policy](t, `{name: second, match: ['alertname="ApiDown"'], priority: P0}`),
			mustLoad[Policy](t, `{name: dog, match: ['alertname="Watchdog"', 'job="own"']}`),
			mustLoad[Policy](t, `{name: information, match: ['severity="info"', 'page="yes"']}`),
		},
		Ladders: mustLoad[Ladders](t, "default: [{level: 1, timeout: 5, contacts: [a]}]\nnight: [{level: 1, timeout: 5, contacts: [b]}]"),
	}
	if err := set.Validate(); err != nil {
		t.Fatal(err)
	}
	type decision struct {
		policy, ladder, ignore string
		priority               receiver.Priority
	}
	for _, c := range []struct {
		labels string
		want   decision
	}{
		{`alertname=ApiDown instance=a`, decision{"first", "night", "", receiver.P2}},
		{`alertname=ApiDown instance=a severity=critical`, decision{"first", "night", "", receiver.P1}},
		{`alertname=ApiDown instance=a severity=critical priority=P0`, decision{"first", "night", "", receiver.P0}},
		{`alertname=ApiDown instance=a severity=info`, decision{"first", "night", "", receiver.P2}},
		{`alertname=ApiDown instance=b`, decision{"second", "default", "", receiver.P0}},
		{`alertname=ApiDown instance=b priority=P2`, decision{"second", "default", "", receiver.P0}},
		{`alertname=Other`, decision{"", "default", "", receiver.P2}},
		{`alertname=Other severity=warning`, decision{"", "default", "", receiver.P2}},
		{`alertname=Other severity=critical`, decision{"", "default", "", receiver.P1}},
		{`alertname=Other severity=critical priority=P2`, decision{"", "default", "", receiver.P2}},
		{`alertname=Other severity=critical priority=urgent`, decision{"", "default", "", receiver.P1}},
		{`alertname=Other priority=P1`, decision{"", "default", "", receiver.P1}},
		{`alertname=Other severity=info`, decision{ignore: "severity"}},
		{`alertname=Other severity=none priority=P0`, decision{ignore: "severity"}},
		{`alertname=Watchdog`, decision{ignore: "watchdog"}},
		{`alertname=Watchdog severity=critical`, decision{ignore: "watchdog"}},
		{`alertname=Watchdog job=own`, decision{"dog", "default", "", receiver.P2}},
		{`alertname=Other severity=info page=yes`, decision{"information", "default", "", receiver.P2}},
		{``, decision{"", "default", "", receiver.P2}},
	} {
		labels := map[string]string{}
		for pair := range strings.FieldsSeq(c.labels) {
			name, value, _ := strings.Cut(pair, "=")
			labels[name] = value
		}
		before := maps.Clone(labels)
		d := set.Decide(labels)
		got := decision{"", d.Ladder.Name, d.Ignore, d.Priority}
		if d.Policy != nil {
			got.policy = d.Policy.Name
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.labels, got, c.want)
		}
		if !maps.Equal(before, labels) {
			t.Errorf("%s: labels were changed", c.labels)
		}
	}
	if d := (&Set{}).Decide(map[string]string{"alertname": "Other"}); d.Ladder.Name != DefaultLadder || len(d.Ladder.Levels) != 0 || d.Ignore != "" {
		t.Errorf("an empty set decides %+v", d)
	}
}

func TestSetIsRefused(t *testing.T) {
	named := func(name, ladder string) Policy { return Policy{Name: name, Escalate: ladder} }
	ladders := Ladders{DefaultLadder: {{1, Minutes(time.Minute), []string{"a"}}}}
	for name, c := range map[string]struct {
		set  Set
		want []string
	}{
		"fine":              {Set{Policies: []Policy{named("a", DefaultLadder), named("b", DefaultLadder)}, Ladders: ladders}, nil},
		"nobody configured": {Set{Policies: []Policy{named("a", DefaultLadder)}}, nil},
		"twice":             {Set{Policies: []Policy{named("a", DefaultLadder), named("a", DefaultLadder)}, Ladders: ladders}, []string{`"a" is configured twice`}},
		"no ladder":         {Set{Policies: []Policy{named("a", "night")}, Ladders: ladders}, []string{`escalates to "night"`}},
		"no ladder at all":  {Set{Policies: []Policy{named("a", "night")}}, []string{`escalates to "night"`}},
		"no default ladder": {Set{Policies: []Policy{named("a", DefaultLadder)}, Ladders: Ladders{"night": nil}}, []string{`escalates to "default"`}},
		"all faults at once": {
			Set{Policies: []Policy{named("a", "x"), named("a", "y")}, Ladders: ladders},
			[]string{`escalates to "x"`, `escalates to "y"`, `configured twice`},
		},
	} {
		err := c.set.Validate()
		if (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
}

func TestArmed(t *testing.T) {
	modes := []receiver.Mode{receiver.ModeOff, receiver.ModeShadow, receiver.ModeApprove, receiver.ModeAuto}
	for _, ceiling := range modes {
		for _, mode := range modes {
			set := Set{Mode: ceiling, Policies: []Policy{{Name: "pages only", Mode: receiver.ModeAuto}, {Name: "a", Mode: mode, Repair: []Step{{}}}}}
			if got, want := set.Armed(), min(ceiling, mode) >= receiver.ModeApprove; got != want {
				t.Errorf("ceiling %s, policy %s: armed %v", ceiling, mode, got)
			}
			set.Policies = set.Policies[:1]
			if set.Armed() {
				t.Errorf("ceiling %s: armed without any repair", ceiling)
			}
		}
	}
}

func TestGet(t *testing.T) {
	set := Set{Policies: []Policy{{Name: "a"}, {Name: "b"}}}
	if p, ok := set.Get("b"); !ok || p != &set.Policies[1] {
		t.Errorf("b is %v, %v", p, ok)
	}
	if p, ok := set.Get("c"); ok || p != nil {
		t.Errorf("c is %v, %v", p, ok)
	}
	if i := slices.IndexFunc(set.Policies, func(p Policy) bool { return p.Name == "b" }); i != 1 {
		t.Error("the order changed")
	}
}
