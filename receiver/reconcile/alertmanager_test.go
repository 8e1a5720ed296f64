package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/matcher/parse"

	"github.com/chronoops/chronoops/receiver/guard"
)

var api = map[string]string{"alertname": "ApiDown", "instance": "a"}

// server answers every request in one way.
func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func answer(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

// alert is one element of an answer.
func alert(state string, labels map[string]string) string {
	b, err := json.Marshal(map[string]any{"labels": labels, "status": map[string]any{"state": state, "silencedBy": []string{}}, "fingerprint": "f", "future": 1})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func alerts(list ...string) http.HandlerFunc { return answer("[" + strings.Join(list, ",") + "]") }

func with(labels map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range labels {
		if k != name {
			out[k] = v
		}
	}
	return out
}

func peers(ignore []string, urls ...string) Alertmanagers {
	a := Alertmanagers{BySource: map[string][]Alertmanager{}, IgnoreLabels: ignore}
	for n, u := range urls {
		a.BySource["prod"] = append(a.BySource["prod"], Alertmanager{Name: fmt.Sprintf("am-%d", n+1), URL: u, Client: &http.Client{Timeout: 5 * time.Second}})
	}
	return a
}

func TestLookupOne(t *testing.T) {
	for _, c := range []struct {
		name    string
		ignore  []string
		handler http.HandlerFunc
		want    guard.LiveState
		err     string
	}{
		{"active", nil, alerts(alert("active", api)), guard.LiveActive, ""},
		{"suppressed", nil, alerts(alert("suppressed", api)), guard.LiveSuppressed, ""},
		{"not processed yet", nil, alerts(alert("unprocessed", api)), guard.LiveActive, ""},
		{"absent", nil, alerts(), guard.LiveAbsent, ""},
		{"one with more labels", nil, alerts(alert("active", with(api, "job", "api"))), guard.LiveAbsent, ""},
		{"one with other values", nil, alerts(alert("active", with(api, "instance", "b"))), guard.LiveAbsent, ""},
		{"ours among others", nil, alerts(alert("suppressed", with(api, "job", "api")), alert("active", api)), guard.LiveActive, ""},
		{"a replica's", []string{"replica"}, alerts(alert("active", with(api, "replica", "2"))), guard.LiveActive, ""},
		{"one replica silenced, one active", []string{"replica"}, alerts(alert("suppressed", with(api, "replica", "1")), alert("active", with(api, "replica", "2"))), guard.LiveActive, ""},
		{"null", nil, answer("null"), "", "read Alertmanager's answer"},
		{"nothing", nil, answer(""), "", "read Alertmanager's answer"},
		{"an object", nil, answer(`{"status":"success","data":[]}`), "", "read Alertmanager's answer"},
		{"an element that is null", nil, answer(`[null]`), guard.LiveAbsent, ""},
		{"HTML", nil, answer("<html>please log in</html>"), "", "read Alertmanager's answer"},
		{"cut off", nil, answer("[" + alert("active", api)[:20]), "", "read Alertmanager's answer"},
		{"something behind it", nil, answer("[]<html>"), "", "read Alertmanager's answer"},
		{"500", nil, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "[]", http.StatusInternalServerError) }, "", "500"},
		{"401", nil, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "[]", http.StatusUnauthorized) }, "", "401"},
		{"204", nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "", "204"},
		{"hangs up", nil, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "", "ask Alertmanager"},
	} {
		got, err := peers(c.ignore, server(t, c.handler)).Lookup(t.Context(), "prod", api)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "am-1")) {
			t.Errorf("%s: %q, %v, want %q, %q", c.name, got, err, c.want, c.err)
		}
	}
}

func TestLookupHuge(t *testing.T) {
	endless := server(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "[")
		one := alert("active", with(api, "instance", strings.Repeat("x", 1<<20))) + ","
		for r.Context().Err() == nil {
			if _, err := fmt.Fprint(w, one); err != nil {
				return
			}
		}
	})
	a := peers(nil, endless)
	a.BySource["prod"][0].Client.Timeout = time.Minute
	if got, err := a.Lookup(t.Context(), "prod", api); err == nil || got != "" {
		t.Errorf("an answer without end: %q, %v", got, err)
	}
}

func TestLookupPeers(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	const (
		active     = "active"
		suppressed = "suppressed"
		absent     = "absent"
		down       = "down"
		garbage    = "garbage"
	)
	urls := map[string]string{
		active: server(t, alerts(alert("active", api))), suppressed: server(t, alerts(alert("suppressed", api))), absent: server(t, alerts()),
		down: gone.URL, garbage: server(t, answer("{}")),
	}
	for _, c := range []struct {
		peers []string
		want  guard.LiveState
	}{
		{[]string{active, absent}, guard.LiveActive},
		{[]string{down, active}, guard.LiveActive},
		{[]string{suppressed, active}, guard.LiveActive},
		{[]string{suppressed, absent}, guard.LiveSuppressed},
		{[]string{down, suppressed}, guard.LiveSuppressed},
		{[]string{absent, absent}, guard.LiveAbsent},
		{[]string{absent, down}, ""},
		{[]string{absent, garbage}, ""},
		{[]string{down, garbage}, ""},
	} {
		for range 2 { // in either order
			var list []string
			for _, p := range c.peers {
				list = append(list, urls[p])
			}
			got, err := peers(nil, list...).Lookup(t.Context(), "prod", api)
			if got != c.want || (err != nil) != (c.want == "") {
				t.Errorf("%v: %q, %v, want %q", c.peers, got, err, c.want)
			}
			slices.Reverse(c.peers)
		}
	}
	_, err := peers(nil, urls[down], urls[garbage]).Lookup(t.Context(), "prod", api)
	if err == nil || !strings.Contains(err.Error(), "am-1") || !strings.Contains(err.Error(), "am-2") {
		t.Errorf("both faults must be named: %v", err)
	}
	if _, err := peers(nil, urls[active]).Lookup(t.Context(), "test", api); err == nil || !strings.Contains(err.Error(), `source "test" names no Alertmanager`) {
		t.Errorf("unknown source: %v", err)
	}
}

// What is asked finds exactly the alert, whatever its labels hold.
func TestFilter(t *testing.T) {
	for _, set := range []map[string]string{
		api,
		{"alertname": `say "hi"`, "path": `C:\new\table`, "multi": "one\ntwo", "q": "a=b&c={d}", "empty": ""},
		{"alertname": "中文", "名字": "值", "with space": "x", "a.b": "c"},
		{"alertname": "=~.*", "b": `"}`},
	} {
		labels := with(set, "replica", "1")
		var got url.Values
		u := server(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.URL.Query()
			if r.URL.Path != "/am/api/v2/alerts" || r.Method != http.MethodGet {
				t.Errorf("%s %s", r.Method, r.URL.Path)
			}
			alerts(alert("active", with(set, "replica", "2")))(w, r)
		})
		state, err := peers([]string{"replica"}, u+"/am/").Lookup(t.Context(), "prod", labels)
		if err != nil || state != guard.LiveActive {
			t.Errorf("%v: %q, %v", set, state, err)
		}
		filters := got["filter"]
		if len(filters) != len(set) {
			t.Errorf("%v: filters %q", set, filters)
		}
		for _, f := range filters {
			m, err := parse.Matcher(f)
			if err != nil {
				t.Errorf("%v: Alertmanager would not take %s: %v", set, f, err)
				continue
			}
			if m.Value != set[m.Name] || !m.Matches(set[m.Name]) {
				t.Errorf("%v: %s asks for %s = %q", set, f, m.Name, m.Value)
			}
		}
		for _, also := range []string{"active", "silenced", "inhibited", "unprocessed"} {
			if got.Get(also) != "true" {
				t.Errorf("%s alerts are left out", also)
			}
		}
		if set["alertname"] == "" || labels["replica"] != "1" {
			t.Error("labels were changed")
		}
	}
}

// An error never holds the address, which may hold a password.
func TestErrorsHideTheURL(t *testing.T) {
	const secret = "c4n4ry"
	hide := func(u string) string {
		return strings.Replace(u, "http://", "http://ops:"+secret+"@", 1) + "/" + secret
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	loop := server(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) })
	away := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/?t="+secret, http.StatusFound)
	})
	odd := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "ftp://"+r.Host+r.URL.Path, http.StatusFound)
	})
	slow := server(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, u := range map[string]string{
		"unreachable": hide(gone.URL), "redirect loop": hide(loop), "redirect away": hide(away), "redirect to ftp": hide(odd), "slow": hide(slow),
		"bad host": "http://ops:" + secret + "@no such host/", "bad port": "http://ops:" + secret + "@h:port/", "bad escape": "http://h/%zz" + secret,
		"no scheme": secret, "odd scheme": "ftp://ops:" + secret + "@h/", "control": "http://h/\x7f" + secret,
		"garbage": hide(server(t, answer("x"))), "404": hide(server(t, http.NotFound)),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		state, err := peers(nil, u).Lookup(ctx, "prod", api)
		cancel()
		if err == nil || state != "" {
			t.Errorf("%s: %q, no error", name, state)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error says %v", name, err)
		}
	}
}

func TestRedirectIsFollowedToTheAnswer(t *testing.T) {
	target := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/prefix/api/v2/alerts" && len(r.URL.Query()["filter"]) == 2 {
			alerts(alert("active", api))(w, r)
			return
		}
		http.NotFound(w, r)
	})
	u := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target+"/prefix"+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	})
	if state, err := peers(nil, u).Lookup(t.Context(), "prod", api); err != nil || state != guard.LiveActive {
		t.Errorf("%q, %v", state, err)
	}
}
