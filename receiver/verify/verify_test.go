package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/policy"
)

func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func result(kind, value string) http.HandlerFunc {
	return answer(http.StatusOK, fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s},"future":1}`, kind, value))
}

func prometheus(u string) Prometheus {
	return Prometheus{URL: u, Client: &http.Client{Timeout: 5 * time.Second}}
}

func TestHolds(t *testing.T) {
	const holds, fails, unknown = "holds", "fails", "unknown"
	series := func(values ...string) string {
		var list []string
		for _, v := range values {
			list = append(list, fmt.Sprintf(`{"metric":{"a":"\"quoted\""},"value":[1772330400.123,%q]}`, v))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
		text    string
	}{
		{"one series", result("vector", series("1")), holds, ""},
		{"several", result("vector", series("1", "-0.5", "+Inf")), holds, ""},
		{"none", result("vector", "[]"), fails, "returns nothing"},
		{"one of them 0", result("vector", series("1", "0")), fails, "returns 0"},
		{"minus 0", result("vector", series("-0")), fails, "returns -0"},
		{"not a number", result("vector", series("NaN")), fails, "returns NaN"},
		{"scalar", result("scalar", `[1772330400,"1"]`), holds, ""},
		{"scalar 0", result("scalar", `[1772330400,"0"]`), fails, "returns 0"},
		{"matrix", result("matrix", `[{"metric":{},"values":[[1,"1"]]}]`), unknown, "want an instant vector"},
		{"string", result("string", `[1,"1"]`), unknown, "want an instant vector"},
		{"histogram", result("vector", `[{"metric":{},"histogram":[1,{"count":"1"}]}]`), unknown, "read value"},
		{"a value that is a number", result("vector", `[{"value":[1,1]}]`), unknown, "read value"},
		{"a value that is text", result("vector", series("one")), unknown, "read value"},
		{"a result that is null", result("vector", "null"), unknown, "read vector"},
		{"an object", result("vector", "{}"), unknown, "read vector"},
		{"no result", answer(http.StatusOK, `{"status":"success"}`), unknown, "want an instant vector"},
		{"refused by Prometheus", answer(http.StatusBadRequest, `{"status":"error","errorType":"bad_data","error":"parse error at char 3"}`), unknown, "parse error at char 3"},
		{"success with a status that is none", answer(http.StatusServiceUnavailable, `{"status":"success","data":{"resultType":"vector","result":`+series("1")+`}}`), unknown, "503"},
		{"HTML", answer(http.StatusOK, "<html>please log in</html>"), unknown, "status 200"},
		{"HTML of a proxy", answer(http.StatusBadGateway, "<html>"), unknown, "status 502"},
		{"nothing", answer(http.StatusOK, ""), unknown, "EOF"},
		{"null", answer(http.StatusOK, "null"), unknown, "answer of Prometheus"},
		{"cut off", answer(http.StatusOK, `{"status":"success","data":{"resultType":"vector"`), unknown, "EOF"},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, unknown, "ask Prometheus"},
		{"huge", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[`)
			for range 100 {
				fmt.Fprint(w, strings.Repeat(`{"value":[1,"1"]},`, 5000))
			}
			fmt.Fprint(w, `{"value":[1,"1"]}]}}`)
		}, unknown, "EOF"},
	} {
		err := prometheus(server(t, c.handler)).Holds(t.Context(), "up")
		got := holds
		switch {
		case errors.Is(err, action.ErrUnknown):
			got = unknown
		case err != nil:
			got = fails
		}
		if got != c.want || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %s (%v), want %s with a word about %q", c.name, got, err, c.want, c.text)
		}
	}
}

func TestQueryIsSentAsItIs(t *testing.T) {
	for _, expr := range []string{`up{job="api", path=~"a&b=c+%"} == 1`, "label_replace(up, \"名\", \"值\", \"\", \"\")", "a\n+ b"} {
		u := server(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.URL.Path != "/prom/api/v1/query" || r.FormValue("query") != expr || r.URL.RawQuery != "" {
				t.Errorf("%s %s, query %q, want %q", r.Method, r.URL, r.FormValue("query"), expr)
			}
			result("vector", `[{"value":[1,"1"]}]`)(w, r)
		})
		if err := prometheus(u+"/prom/").Holds(t.Context(), expr); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

// A redirect that makes a GET of the query loses it: that proves nothing.
func TestRedirect(t *testing.T) {
	target := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("query") != "up" {
			answer(http.StatusBadRequest, `{"status":"error","error":"no expression found in input"}`)(w, r)
			return
		}
		result("vector", `[{"value":[1,"1"]}]`)(w, r)
	})
	for status, holds := range map[int]bool{http.StatusTemporaryRedirect: true, http.StatusPermanentRedirect: true, http.StatusFound: false, http.StatusMovedPermanently: false} {
		u := server(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target+r.URL.Path, status) })
		err := prometheus(u).Holds(t.Context(), "up")
		if (err == nil) != holds || err != nil && !errors.Is(err, action.ErrUnknown) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestErrorsHideTheURL(t *testing.T) {
	const secret = "c4n4ry"
	hide := func(u string) string {
		return strings.Replace(u, "http://", "http://ops:"+secret+"@", 1) + "/" + secret
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, u := range map[string]string{
		"unreachable": hide(gone.URL),
		"redirect loop": hide(server(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
		})),
		"redirect to ftp": hide(server(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "ftp://"+r.Host+r.URL.Path, http.StatusFound)
		})),
		"slow": hide(server(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client has gone
			<-r.Context().Done()
		})),
		"garbage":    hide(server(t, answer(http.StatusOK, "x"))),
		"bad host":   "http://ops:" + secret + "@no such host/",
		"bad port":   "http://ops:" + secret + "@h:port/",
		"bad escape": "http://h/%zz" + secret,
		"odd scheme": "ftp://ops:" + secret + "@h/",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := prometheus(u).Holds(ctx, "up")
		cancel()
		if !errors.Is(err, action.ErrUnknown) {
			t.Errorf("%s: %v, want ErrUnknown", name, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error says %v", name, err)
		}
	}
}

type fakes struct{ probe, holds error }

func (f fakes) Probe(context.Context, string) error { return f.probe }
func (f fakes) Holds(context.Context, string) error { return f.holds }

func TestProve(t *testing.T) {
	broken, unclear := errors.New("answered 502"), fmt.Errorf("%w: timeout", action.ErrUnknown)
	both := policy.Verify{Probe: "api", PromQL: "up == 1"}
	for _, c := range []struct {
		name    string
		how     policy.Verify
		fakes   fakes
		none    bool // no Prometheus
		want    string
		unknown bool
	}{
		{"nothing to look at", policy.Verify{}, fakes{broken, broken}, false, "", false},
		{"both hold", both, fakes{}, false, "", false},
		{"probe fails", both, fakes{probe: broken}, false, "probe api: answered 502", false},
		{"query fails", both, fakes{holds: broken}, false, "query up == 1: answered 502", false},
		{"probe cannot tell", both, fakes{probe: unclear}, false, "probe api", true},
		{"query cannot tell", both, fakes{holds: unclear}, false, "query up == 1", true},
		{"only the probe", policy.Verify{Probe: "api"}, fakes{holds: broken}, true, "", false},
		{"only the query", policy.Verify{PromQL: "up == 1"}, fakes{probe: broken}, false, "", false},
		{"no Prometheus", both, fakes{}, true, "no Prometheus is configured", true},
	} {
		p := Prover{Probes: c.fakes, Prometheus: c.fakes}
		if c.none {
			p.Prometheus = nil
		}
		err := p.Prove(t.Context(), c.how)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || errors.Is(err, action.ErrUnknown) != c.unknown {
			t.Errorf("%s: %v, want %q, unknown %v", c.name, err, c.want, c.unknown)
		}
	}
}
