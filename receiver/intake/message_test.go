package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/quick"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/alertmanager/notify/webhook"
	"github.com/prometheus/alertmanager/template"

	"github.com/chronoops/chronoops/receiver"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// The files are what Alertmanager 0.31.1 and 0.34.2 sent to a webhook with max_alerts: 2.
func TestDecodeGolden(t *testing.T) {
	const name = "chrono.ops+page (a|b)"
	one := map[string]string{"alertname": "ApiDown", "instance": "api-1:8000", "severity": "critical", "note": `quotes " and <tags> & 中文`}
	two := map[string]string{"alertname": "ApiDown", "instance": "api-2:8000", "severity": "warning"}
	firing := Message{
		Group: receiver.Group{Source: "prod", Receiver: name, Labels: map[string]string{"alertname": "ApiDown"}},
		Alerts: []receiver.Alert{
			{
				Source: "prod", Key: receiver.AlertKey(one, nil), Firing: true, Labels: one,
				Annotations: map[string]string{"summary": "The API does not answer", "description": "line one\nline two"},
				StartsAt:    at(t, "2026-03-01T02:00:00.123Z"), URL: "http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1",
			},
			{
				Source: "prod", Key: receiver.AlertKey(two, nil), Firing: true, Labels: two, Annotations: map[string]string{},
				StartsAt: at(t, "2026-03-01T02:01:00Z"),
			},
		},
	}
	resolved := firing
	resolved.Truncated = 1
	resolved.Alerts = append([]receiver.Alert{}, firing.Alerts...)
	resolved.Alerts[0].Firing, resolved.Alerts[0].EndsAt = false, at(t, "2026-03-01T02:05:00Z")
	hashes := map[string]string{}
	for file, want := range map[string]Message{
		"alertmanager-0.31-firing": firing, "alertmanager-0.31-resolved": resolved,
		"alertmanager-0.34-firing": firing, "alertmanager-0.34-resolved": resolved,
	} {
		body, err := os.ReadFile(filepath.Join("testdata", file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(body, "prod", nil)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Message{}, "Hash")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		if other, ok := hashes[got.Hash]; ok || len(got.Hash) != 64 {
			t.Errorf("%s: hash %q, as %q", file, got.Hash, other)
		}
		hashes[got.Hash] = file
	}
}

// message is upstream's own type with every field set.
func message() *webhook.Message {
	start := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	return &webhook.Message{
		Data: &template.Data{
			Receiver: `chronoops`, Status: "firing", NotificationReason: "new alerts added",
			Alerts: template.Alerts{
				{
					Status: "firing", Labels: template.KV{"alertname": "ApiDown", "instance": "a", "replica": "1"}, Annotations: template.KV{"summary": "down"},
					StartsAt: start, GeneratorURL: "http://p/1", Fingerprint: "f1",
				},
				{
					Status: "resolved", Labels: template.KV{"alertname": "ApiDown", "instance": "b", "replica": "1"}, Annotations: template.KV{},
					StartsAt: start, EndsAt: start.Add(time.Minute), GeneratorURL: "http://p/2", Fingerprint: "f2",
				},
			},
			GroupLabels: template.KV{"alertname": "ApiDown"}, CommonLabels: template.KV{"alertname": "ApiDown"},
			CommonAnnotations: template.KV{"c": "d"}, RouteLabels: template.KV{"e": "f"}, ExternalURL: "http://peer-1:9093",
		},
		Version: "4", GroupKey: `{}:{alertname="ApiDown"}`, TruncatedAlerts: 3,
	}
}

func encode(t testing.TB, m any) []byte {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every field that upstream writes is known here, and arrives.
func TestUpstreamMessage(t *testing.T) {
	m := message()
	dec := json.NewDecoder(bytes.NewReader(encode(t, m)))
	dec.DisallowUnknownFields()
	var p payload
	if err := dec.Decode(&p); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, &webhook.Message{Data: &p.Data, Version: p.Version, GroupKey: p.GroupKey, TruncatedAlerts: p.TruncatedAlerts}, cmpopts.IgnoreUnexported(template.Data{})); diff != "" {
		t.Errorf("(-sent +decoded):\n%s", diff)
	}
	if diff := cmp.Diff(string(encode(t, m)), string(encode(t, p))); diff != "" {
		t.Errorf("encoded again (-want +got):\n%s", diff)
	}
	got, err := Decode(encode(t, m), "prod", []string{"replica"})
	if err != nil {
		t.Fatal(err)
	}
	alert := func(a template.Alert) receiver.Alert {
		return receiver.Alert{
			Source: "prod", Key: receiver.AlertKey(a.Labels, []string{"replica"}), Firing: a.Status == "firing", Labels: a.Labels, Annotations: a.Annotations,
			StartsAt: a.StartsAt, EndsAt: a.EndsAt, URL: a.GeneratorURL,
		}
	}
	want := Message{
		Group:     receiver.Group{Source: "prod", Receiver: "chronoops", Labels: map[string]string{"alertname": "ApiDown"}},
		Alerts:    []receiver.Alert{alert(m.Alerts[0]), alert(m.Alerts[1])},
		Truncated: 3, Hash: got.Hash,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHash(t *testing.T) {
	hash := func(change func(*webhook.Message)) string {
		t.Helper()
		m := message()
		change(m)
		got, err := Decode(encode(t, m), "prod", nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Hash
	}
	base := hash(func(*webhook.Message) {})
	if hash(func(m *webhook.Message) { m.ExternalURL = "http://peer-2:9093" }) != base {
		t.Error("the peers of a cluster do not say the same")
	}
	for what, change := range map[string]func(*webhook.Message){
		"status":     func(m *webhook.Message) { m.Alerts[0].Status = "resolved" },
		"label":      func(m *webhook.Message) { m.Alerts[0].Labels["x"] = "y" },
		"annotation": func(m *webhook.Message) { m.Alerts[0].Annotations["x"] = "y" },
		"start":      func(m *webhook.Message) { m.Alerts[0].StartsAt = m.Alerts[0].StartsAt.Add(1) },
		"alert":      func(m *webhook.Message) { m.Alerts = m.Alerts[:1] },
		"receiver":   func(m *webhook.Message) { m.Receiver = "other" },
		"truncated":  func(m *webhook.Message) { m.TruncatedAlerts++ },
	} {
		if hash(change) == base {
			t.Errorf("another %s has the same hash", what)
		}
	}
}

func TestDecodeAccepts(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		alerts int
	}{
		"only a version":  {`{"version":"4"}`, 0},
		"no alerts":       {`{"version":"4","alerts":[]}`, 0},
		"null everywhere": {`{"version":"4","alerts":null,"groupLabels":null,"commonLabels":null,"receiver":null}`, 0},
		"unknown fields":  {`{"version":"4","futureField":{"a":[1]},"alerts":[{"status":"firing","labels":{"a":"b"},"futureField":7}]}`, 1},
		"space around it": {" \n{\"version\":\"4\"}\n ", 0},
		"invalid UTF-8":   {"{\"version\":\"4\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"\xff\xfe\"}}]}", 1},
		"a NUL":           {`{"version":"4","alerts":[{"status":"firing","labels":{"a":"\u0000"}}]}`, 1},
		"half a pair":     {`{"version":"4","alerts":[{"status":"firing","labels":{"a":"\ud800"}}]}`, 1},
		"a key twice":     {`{"version":"5","version":"4"}`, 0},
	} {
		m, err := Decode([]byte(c.body), "prod", nil)
		if err != nil || len(m.Alerts) != c.alerts || len(m.Hash) != 64 {
			t.Errorf("%s: %v, %d alerts, hash %q", name, err, len(m.Alerts), m.Hash)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 200000) + "1" + strings.Repeat("}", 200000)
	for body, want := range map[string][2]string{
		"":                                     {"json", "EOF"},
		"null":                                 {"version", `version ""`},
		"{}":                                   {"version", `version ""`},
		"[]":                                   {"json", "array"},
		`"4"`:                                  {"json", "string"},
		"{":                                    {"json", "unexpected EOF"},
		"alerts=1":                             {"json", "invalid character"},
		`{"version":4}`:                        {"json", "number"},
		`{"version":"3"}`:                      {"version", `has version "3", want "4"`},
		`{"version":"4"}{}`:                    {"json", "more than one JSON value"},
		`{"version":"4"} x`:                    {"json", "more than one JSON value"},
		`{"version":"4","x":` + deep + `}`:     {"json", "depth"},
		deep:                                   {"json", "depth"},
		`{"version":"4","truncatedAlerts":-1}`: {"json", "-1"},
		`{"version":"4","alerts":{}}`:          {"json", "object"},
		`{"version":"4","alerts":[null]}`:      {"alert", "alert 0 has no labels"},
		`{"version":"4","alerts":[{"status":"firing","labels":{"a":"b"}},{"status":"firing","labels":{}}]}`:    {"alert", "alert 1 has no labels"},
		`{"version":"4","alerts":[{"status":"pending","labels":{"a":"b"}}]}`:                                   {"alert", `status "pending", want firing or resolved`},
		`{"version":"4","alerts":[{"labels":{"a":"b"}}]}`:                                                      {"alert", `status ""`},
		`{"version":"4","alerts":[{"status":"firing","labels":{"a":1}}]}`:                                      {"json", "number"},
		`{"version":"4","alerts":[{"status":"firing","labels":{"a":"b"},"startsAt":"yesterday"}]}`:             {"json", "yesterday"},
		`{"version":"4","alerts":[{"status":"firing","labels":{"a":"b"},"startsAt":"99999-01-01T00:00:00Z"}]}`: {"json", "99999"},
	} {
		_, err := Decode([]byte(body), "prod", nil)
		shown := body[:min(len(body), 60)]
		rejected, ok := errors.AsType[*RejectError](err)
		if !ok {
			t.Errorf("%s: %v, want a RejectError", shown, err)
			continue
		}
		if rejected.Code != want[0] || !strings.Contains(err.Error(), want[1]) || rejected.Unwrap() == nil {
			t.Errorf("%s: %s: %v, want %s with a word about %q", shown, rejected.Code, err, want[0], want[1])
		}
	}
}

// What is refused is repeated in the log and in the answer; not all eight megabytes of it.
func TestRefusalsAreShort(t *testing.T) {
	long := strings.Repeat("中", 1<<20)
	for _, body := range []string{
		`{"version":"` + long + `"}`,
		`{"version":"4","alerts":[{"status":"` + long + `","labels":{"a":"b"}}]}`,
		`{"version":"4","alerts":[{"status":"firing","labels":{"a":"b"},"startsAt":"` + long + `"}]}`,
	} {
		_, err := Decode([]byte(body), "prod", nil)
		if err == nil || len(err.Error()) > 1000 || !utf8.ValidString(err.Error()) {
			t.Errorf("%s: %v, %d bytes", body[:60], err != nil, len(err.Error()))
		}
	}
}

// Without an end, or with one that makes no sense, a resolved alert still ends the one that began at the same time.
func TestTimes(t *testing.T) {
	epoch := time.Unix(0, 0).UTC()
	start := at(t, "2026-03-01T02:00:00Z")
	for _, c := range []struct {
		status, starts, ends string
		wantStart, wantEnd   time.Time
	}{
		{"firing", "2026-03-01T02:00:00Z", "0001-01-01T00:00:00Z", start, time.Time{}},
		{"firing", "2026-03-01T03:00:00+01:00", "2026-03-02T00:00:00Z", start, time.Time{}},
		{"firing", "", "", epoch, time.Time{}},
		{"firing", "1960-01-01T00:00:00Z", "", epoch, time.Time{}},
		{"resolved", "2026-03-01T02:00:00Z", "2026-03-01T02:00:01Z", start, start.Add(time.Second)},
		{"resolved", "2026-03-01T02:00:00Z", "", start, start},
		{"resolved", "2026-03-01T02:00:00Z", "2026-03-01T01:00:00Z", start, start},
		{"resolved", "", "", epoch, epoch},
		{"resolved", "9998-01-01T00:00:00Z", "2026-03-01T02:00:00Z", at(t, "9998-01-01T00:00:00Z"), at(t, "9998-01-01T00:00:00Z")},
	} {
		alert := map[string]any{"status": c.status, "labels": map[string]string{"a": "b"}}
		if c.starts != "" {
			alert["startsAt"] = c.starts
		}
		if c.ends != "" {
			alert["endsAt"] = c.ends
		}
		m, err := Decode(encode(t, map[string]any{"version": "4", "alerts": []any{alert}}), "prod", nil)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if a := m.Alerts[0]; !a.StartsAt.Equal(c.wantStart) || !a.EndsAt.Equal(c.wantEnd) || a.StartsAt.Location() != time.UTC {
			t.Errorf("%+v: from %s to %s", c, a.StartsAt, a.EndsAt)
		}
	}
}

// Two replicas of Prometheus send one alert under two labels: it has ended when both say so.
func TestFiringWinsWithinAMessage(t *testing.T) {
	m := message()
	m.Alerts[1].Labels = maps.Clone(m.Alerts[0].Labels)
	m.Alerts[1].Labels["replica"] = "2"
	decode := func(ignore ...string) (firing, resolved int) {
		got, err := Decode(encode(t, m), "prod", ignore)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range got.Alerts {
			if a.Firing {
				firing++
			} else {
				resolved++
			}
		}
		return firing, resolved
	}
	if f, r := decode("replica"); f != 1 || r != 0 {
		t.Errorf("one replica fires: %d firing, %d resolved", f, r)
	}
	if f, r := decode(); f != 1 || r != 1 {
		t.Errorf("the label counts: %d firing, %d resolved", f, r)
	}
	m.Alerts[0].Status = "resolved"
	if f, r := decode("replica"); f != 0 || r != 2 {
		t.Errorf("both have resolved: %d firing, %d resolved", f, r)
	}
}

func TestUnquoteReceiver(t *testing.T) {
	for _, name := range []string{`a.b`, `\`, `\\.`, `a+b*c?(d)[e]{f}^$|`, `\d`, "运维", "", `a\.b`} {
		if got := unquote(regexp.QuoteMeta(name)); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
	if err := quick.Check(func(name string) bool { return unquote(regexp.QuoteMeta(name)) == name }, nil); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, body := range []string{`{"version":"4"}`, "null", `{"version":"4","alerts":[{"status":"resolved","labels":{"a":"\ud800"},"endsAt":"0000-01-01T00:00:00Z"}]}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := Decode(body, "prod", []string{"replica"})
		if err != nil {
			if rejected, ok := errors.AsType[*RejectError](err); !ok || rejected.Code == "" || err.Error() == "" {
				t.Fatalf("refused without a reason: %v", err)
			}
			return
		}
		firing := map[string]bool{}
		for _, a := range m.Alerts {
			firing[a.Key] = firing[a.Key] || a.Firing
		}
		for _, a := range m.Alerts {
			switch {
			case len(a.Labels) == 0 || a.Source != "prod" || a.Key != receiver.AlertKey(a.Labels, []string{"replica"}):
				t.Fatalf("alert %+v", a)
			case a.StartsAt.UnixMilli() < 0 || a.StartsAt.Year() > 9999 || a.EndsAt.Year() > 9999:
				t.Fatalf("times %s, %s", a.StartsAt, a.EndsAt)
			case a.Firing != a.EndsAt.IsZero():
				t.Fatalf("firing %v, ends %s", a.Firing, a.EndsAt)
			case !a.Firing && (a.EndsAt.Before(a.StartsAt) || firing[a.Key]):
				t.Fatalf("resolved alert %+v", a)
			}
		}
		again, err := Decode(body, "prod", []string{"replica"})
		if err != nil || again.Hash != m.Hash {
			t.Fatalf("decoded twice: %v, hash %s and %s", err, m.Hash, again.Hash)
		}
	})
}
