package api_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/receiver/api"
)

// request is one of a program on this machine, unless changed.
func request(method, path string, change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(`{"source":"forged","receiver":"forged"}`))
	r.RemoteAddr, r.Host = "127.0.0.1:40000", "127.0.0.1:9847"
	r.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(r)
	}
	return r
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func bearer(token string) func(*http.Request) { return header("Authorization", "Bearer "+token) }

func basic(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func from(addr string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = addr } }

func host(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }

func certified(r *http.Request) {
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}}
}

func newAuth(t *testing.T, c api.Credentials, guarded bool) *api.Auth {
	t.Helper()
	file, err := api.EnsureOperatorToken(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a, err := api.NewAuth(api.AuthOptions{
		Credentials: c, OperatorFile: file, Guarded: func() bool { return guarded }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestSourceByCredential(t *testing.T) {
	a := newAuth(t, api.Credentials{
		Tokens: []api.TokenConfig{{Name: "alice", Role: api.RoleOperator, Token: operatorToken}},
		Sources: []api.SourceConfig{
			{Name: "prod", Token: sourceToken},
			{Name: "bound", Token: "bound-token-0123456789", Path: "/hooks/bound"},
		},
	}, true)
	remote := from("192.0.2.7:5000")
	for name, c := range map[string]struct {
		r    *http.Request
		want string // "" means refused
	}{
		"bearer":                            {request("POST", api.WebhookPath, remote, bearer(sourceToken)), "prod"},
		"bearer, scheme in lower case":      {request("POST", api.WebhookPath, remote, header("Authorization", "bearer "+sourceToken)), "prod"},
		"basic, any user":                   {request("POST", api.WebhookPath, remote, basic("am", sourceToken)), "prod"},
		"behind a proxy":                    {request("POST", api.WebhookPath, remote, bearer(sourceToken), header("X-Forwarded-For", "192.0.2.9")), "prod"},
		"bound to its path":                 {request("POST", "/hooks/bound", remote, bearer("bound-token-0123456789")), "bound"},
		"bound, elsewhere":                  {request("POST", api.WebhookPath, remote, bearer("bound-token-0123456789")), ""},
		"wrong":                             {request("POST", api.WebhookPath, remote, bearer("wrong-token-0123456789")), ""},
		"wrong, from loopback":              {request("POST", api.WebhookPath, bearer("wrong-token-0123456789")), ""},
		"a beginning":                       {request("POST", api.WebhookPath, remote, bearer(sourceToken[:20])), ""},
		"empty bearer":                      {request("POST", api.WebhookPath, remote, header("Authorization", "Bearer ")), ""},
		"token as basic user":               {request("POST", api.WebhookPath, remote, basic(sourceToken, "")), ""},
		"another scheme":                    {request("POST", api.WebhookPath, remote, header("Authorization", "Digest "+sourceToken)), ""},
		"a person's token":                  {request("POST", api.WebhookPath, remote, bearer(operatorToken)), ""},
		"none":                              {request("POST", api.WebhookPath, remote), ""},
		"none, from loopback":               {request("POST", api.WebhookPath), ""},
		"certificate, but a token is asked": {request("POST", api.WebhookPath, remote, certified), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := a.Source(c.r)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestWebhookWithoutCredential(t *testing.T) {
	open := api.Credentials{Sources: []api.SourceConfig{{Name: "prod"}, {Name: "test", Path: "/hooks/test"}, {Name: "safe", Path: "/hooks/safe", Token: sourceToken}}}
	for name, c := range map[string]struct {
		r       *http.Request
		guarded bool
		none    bool // no source is configured
		want    string
	}{
		"loopback":                       {r: request("POST", api.WebhookPath), want: "prod"},
		"loopback, no source configured": {r: request("POST", api.WebhookPath), none: true, want: "default"},
		"by its path":                    {r: request("POST", "/hooks/test"), want: "test"},
		"IPv6":                           {r: request("POST", api.WebhookPath, from("[::1]:40000"), host("[::1]:9847")), want: "prod"},
		"localhost":                      {r: request("POST", api.WebhookPath, host("localhost:9847")), want: "prod"},
		"with a charset":                 {r: request("POST", api.WebhookPath, header("Content-Type", "application/json; charset=utf-8")), want: "prod"},
		"guarded":                        {r: request("POST", api.WebhookPath), guarded: true},
		"guarded, no source configured":  {r: request("POST", api.WebhookPath), guarded: true, none: true},
		"guarded, with a certificate":    {r: request("POST", api.WebhookPath, from("192.0.2.7:5000"), certified), guarded: true, want: "prod"},
		"path of one with a token":       {r: request("POST", "/hooks/safe")},
		"unknown path":                   {r: request("POST", "/hooks/other")},
		"another machine":                {r: request("POST", api.WebhookPath, from("192.0.2.7:5000"))},
		"a socket without address":       {r: request("POST", api.WebhookPath, from("@"))},
		"Host of another name":           {r: request("POST", api.WebhookPath, host("rebound.example:9847"))},
		"Host that begins like loopback": {r: request("POST", api.WebhookPath, host("127.0.0.1.example:9847"))},
		"no Host":                        {r: request("POST", api.WebhookPath, host(""))},
		"Origin":                         {r: request("POST", api.WebhookPath, header("Origin", "http://127.0.0.1:9847"))},
		"Origin null":                    {r: request("POST", api.WebhookPath, header("Origin", "null"))},
		"X-Forwarded-For":                {r: request("POST", api.WebhookPath, header("X-Forwarded-For", "192.0.2.9"))},
		"X-Forwarded-For behind an empty one": {r: request("POST", api.WebhookPath, func(r *http.Request) {
			r.Header["X-Forwarded-For"] = []string{"", "192.0.2.9"} // a client's own, before the one that its proxy appends
		})},
		"an empty Origin": {r: request("POST", api.WebhookPath, header("Origin", ""))},
		"Forwarded":       {r: request("POST", api.WebhookPath, header("Forwarded", "for=192.0.2.9"))},
		"text/plain":      {r: request("POST", api.WebhookPath, header("Content-Type", "text/plain"))},
		"a form":          {r: request("POST", api.WebhookPath, header("Content-Type", "application/x-www-form-urlencoded"))},
		"no Content-Type": {r: request("POST", api.WebhookPath, header("Content-Type", ""))},
	} {
		t.Run(name, func(t *testing.T) {
			creds := open
			if c.none {
				creds = api.Credentials{}
			}
			got, err := newAuth(t, creds, c.guarded).Source(c.r)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestWhoMayLook(t *testing.T) {
	for name, c := range map[string]struct {
		r       *http.Request
		guarded bool
		want    int // 0 means allowed
	}{
		"viewer":                             {request("GET", "/incidents", from("192.0.2.7:5000"), bearer(viewerToken)), true, 0},
		"operator":                           {request("GET", "/incidents", from("192.0.2.7:5000"), bearer(operatorToken)), true, 0},
		"browser":                            {request("GET", "/incidents", from("192.0.2.7:5000"), basic("me", viewerToken)), true, 0},
		"browser, same site":                 {request("GET", "/incidents", basic("me", viewerToken), header("Origin", "http://127.0.0.1:9847")), true, 0},
		"browser, other site":                {request("GET", "/incidents", basic("me", viewerToken), header("Origin", "http://evil.example")), true, 403},
		"wrong token":                        {request("GET", "/incidents", bearer("wrong-token-0123456789")), true, 401},
		"wrong token while nothing is armed": {request("GET", "/incidents", bearer("wrong-token-0123456789")), false, 401},
		"a source's token":                   {request("GET", "/incidents", bearer(sourceToken)), true, 401},
		"nobody, guarded":                    {request("GET", "/incidents"), true, 401},
		"nobody, nothing armed":              {request("GET", "/incidents"), false, 0},
		"nobody, same site":                  {request("GET", "/incidents", header("Origin", "http://127.0.0.1:9847")), false, 0},
		"nobody, other site":                 {request("GET", "/incidents", header("Origin", "http://evil.example")), false, 403},
		"nobody, sandboxed page":             {request("GET", "/incidents", header("Origin", "null")), false, 403},
		"nobody, another machine":            {request("GET", "/incidents", from("192.0.2.7:5000")), false, 401},
		"nobody, another Host":               {request("GET", "/incidents", host("rebound.example")), false, 401},
		"nobody, through a proxy":            {request("GET", "/incidents", header("X-Forwarded-For", "192.0.2.9")), false, 401},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.guarded = c.guarded
			status(t, w.auth.View(c.r), c.want)
		})
	}
}

func TestWhoMayAct(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		r       *http.Request
		guarded bool
		want    int
		person  api.Person
	}{
		"operator":                 {request("POST", "/", from("192.0.2.7:5000"), bearer(operatorToken)), true, 0, api.Person{Token: "alice"}},
		"generated":                {request("POST", "/", bearer(w.own), header("X-Chronoops-User", "bob")), true, 0, api.Person{Token: "operator", By: "bob"}},
		"viewer":                   {request("POST", "/", bearer(viewerToken)), true, 403, api.Person{}},
		"source":                   {request("POST", "/", bearer(sourceToken)), true, 401, api.Person{}},
		"wrong":                    {request("POST", "/", bearer("wrong-token-0123456789")), true, 401, api.Person{}},
		"nobody, nothing armed":    {request("POST", "/"), false, 401, api.Person{}},
		"by basic":                 {request("POST", "/", basic("me", operatorToken)), true, 401, api.Person{}},
		"from another site's page": {request("POST", "/", bearer(operatorToken), header("Origin", "http://evil.example")), true, 403, api.Person{}},
		"certificate alone":        {request("POST", "/", certified), true, 401, api.Person{}},
	} {
		t.Run(name, func(t *testing.T) {
			w.guarded = c.guarded
			got, err := w.auth.Operate(c.r)
			status(t, err, c.want)
			if got != c.person {
				t.Errorf("person is %+v, want %+v", got, c.person)
			}
		})
	}
}

func status(t *testing.T, err error, want int) {
	t.Helper()
	got := 0
	if e, ok := errors.AsType[*api.Error](err); ok {
		got = e.Status
	} else if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("status %d (%v), want %d", got, err, want)
	}
}

// Every route that changes something asks for an operator, whatever else is open.
func TestEveryChangeNeedsAnOperator(t *testing.T) {
	w := newWorld(t)
	w.guarded = false
	for _, path := range []string{
		"/api/v1/incidents/1/ack", "/api/v1/incidents/1/approve", "/api/v1/incidents/1/reject",
		"/api/v1/actions/plan", "/api/v1/actions/run", "/api/v1/pause", "/api/v1/resume",
	} {
		for name, c := range map[string]struct {
			change func(*http.Request)
			want   int
		}{
			"nobody on loopback":    {func(*http.Request) {}, 401},
			"viewer":                {bearer(viewerToken), 403},
			"source":                {bearer(sourceToken), 401},
			"operator's from Basic": {basic("alice", operatorToken), 401},
		} {
			rec := httptest.NewRecorder()
			w.mux.ServeHTTP(rec, request("POST", path, c.change))
			if rec.Code != c.want {
				t.Errorf("POST %s as %s: %d, want %d: %s", path, name, rec.Code, c.want, rec.Body)
			}
		}
	}
	for name, h := range map[string]http.Handler{"reload": w.auth.RequireOperator(http.NotFoundHandler())} {
		for token, want := range map[string]int{"": 401, viewerToken: 403, operatorToken: 404} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, request("POST", "/-/reload", bearer(token)))
			if rec.Code != want {
				t.Errorf("%s with %q: %d, want %d", name, token, rec.Code, want)
			}
		}
	}
}

func TestLookingAsksForCredentials(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/incidents", "/incidents/1", "/api/v1/incidents", "/api/v1/actions", "/api/v1/attempts", "/api/v1/attempts/1", "/api/v1/pause"} {
		rec := w.do("GET", path, "", "")
		if rec.Code != 401 || !strings.HasPrefix(rec.Header().Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("GET %s: %d %q", path, rec.Code, rec.Header().Get("WWW-Authenticate"))
		}
	}
}

func TestTokenFilesAreReadAtEveryUse(t *testing.T) {
	dir := t.TempDir()
	file := writeFile(t, dir, "token", "first-token-0123456789\n")
	a := newAuth(t, api.Credentials{
		Tokens:  []api.TokenConfig{{Name: "alice", Role: api.RoleOperator, TokenFile: file}},
		Sources: []api.SourceConfig{{Name: "prod", TokenFile: writeFile(t, dir, "source", "first-source-0123456789")}},
	}, true)
	try := func(want bool, token string) {
		t.Helper()
		if _, err := a.Operate(request("POST", "/", bearer(token))); (err == nil) != want {
			t.Errorf("operator with %s: %v", token, err)
		}
	}
	try(true, "first-token-0123456789")
	writeFile(t, dir, "token", "other-token-0123456789\n")
	try(false, "first-token-0123456789")
	try(true, "other-token-0123456789")
	writeFile(t, dir, "token", "")
	try(false, "other-token-0123456789")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	try(false, "other-token-0123456789")

	if _, err := a.Source(request("POST", api.WebhookPath, bearer("first-source-0123456789"))); err != nil {
		t.Error(err)
	}
	writeFile(t, dir, "source", "other-source-0123456789")
	if _, err := a.Source(request("POST", api.WebhookPath, bearer("first-source-0123456789"))); err == nil {
		t.Error("a source's old token is still taken")
	}
	// After a careless rotation two names share a secret: nobody can tell who it is.
	writeFile(t, dir, "token", w16)
	if err := a.Set(api.Credentials{Tokens: []api.TokenConfig{
		{Name: "alice", Role: api.RoleOperator, TokenFile: file}, {Name: "wall", Role: api.RoleViewer, TokenFile: writeFile(t, dir, "wall", "wall-token-0123456789")},
	}}); err != nil {
		t.Fatal(err)
	}
	try(true, w16)
	writeFile(t, dir, "wall", w16)
	try(false, w16)
}

const w16 = "0123456789abcdef"

func TestSetRefusesAndKeeps(t *testing.T) {
	a := newAuth(t, api.Credentials{Tokens: []api.TokenConfig{{Name: "alice", Role: api.RoleOperator, Token: operatorToken}}}, true)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		creds api.Credentials
		words string
	}{
		"missing file": {api.Credentials{Sources: []api.SourceConfig{{Name: "prod", TokenFile: dir + "/absent"}}}, "source prod: read token"},
		"empty file":   {api.Credentials{Sources: []api.SourceConfig{{Name: "prod", TokenFile: writeFile(t, dir, "empty", " \n")}}}, "is empty"},
		"short file":   {api.Credentials{Sources: []api.SourceConfig{{Name: "prod", TokenFile: writeFile(t, dir, "short", "short")}}}, "could be guessed"},
		"shared": {api.Credentials{
			Tokens:  []api.TokenConfig{{Name: "bob", Role: api.RoleViewer, Token: w16}},
			Sources: []api.SourceConfig{{Name: "prod", TokenFile: writeFile(t, dir, "same", w16)}},
		}, "token bob and source prod have the same secret"},
		"twice": {api.Credentials{Sources: []api.SourceConfig{{Name: "prod", Token: w16}, {Name: "prod"}}}, "configured twice"},
	} {
		t.Run(name, func(t *testing.T) {
			err := a.Set(c.creds)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, want %q", err, c.words)
			}
			if err != nil && (strings.Contains(err.Error(), w16) || strings.Contains(err.Error(), operatorToken)) {
				t.Errorf("a secret is in the error: %v", err)
			}
			if _, err := a.Operate(request("POST", "/", bearer(operatorToken))); err != nil {
				t.Errorf("the credentials in force are gone: %v", err)
			}
		})
	}
}
