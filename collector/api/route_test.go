package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestRoute(t *testing.T) {
	r, err := newRouter([]string{"/api/v1/stocks/:code/data", "/static/*", "/"}, 100)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/":                              "/",
		"//":                             "/",
		"/?a=b":                          "/",
		"/health":                        "/health",
		"/health/":                       "/health",
		"/api/v1/stocks/平安/data":         "/api/v1/stocks/:code/data",
		"/api/v1/stocks/000001.SZ/data":  "/api/v1/stocks/:code/data",
		"/api/v1/stocks/000001.SZ/quote": "/api/v1/stocks/:code/quote",
		"/api/v1/stocks/0700.HK":         "/api/v1/stocks/:code",
		"/api/v1/us/AAPL":                "/api/v1/us/:code",
		"/api/v1/us/BRK.B?x=1#y":         "/api/v1/us/:code",
		"/API/users":                     "/API/users",
		"/users/42":                      "/users/:id",
		"/users/42/orders/7":             "/users/:id/orders/:id",
		"/users/0190a7c2-53a5-7c3e-8a4f-0123456789ab":   "/users/:uuid",
		"/users/0190A7C2-53A5-7C3E-8A4F-0123456789AB/x": "/users/:uuid/x",
		"/blob/9f86d081884c7d65":                        "/blob/:id",
		"/blob/deadbeefdeadbeefdeadbeef":                "/blob/:id",
		"/days/2025-10-25":                              "/days/:date",
		"/u/a@b.example":                                "/u/:id",
		"/u/%E5%B9%B3":                                  "/u/:id",
		`/u/\xE5\xB9`:                                   "/u/:id",
		"/u/\xff\xfe":                                   "/u/:id",
		"/u/" + strings.Repeat("a", 60):                 "/u/:id",
		"/order-48151":                                  "/:id",
		"/facade/oauth2/v2/sha256":                      "/facade/oauth2/v2/sha256",
		"/assets/main.8f3a2b1c.js":                      "/assets/:file",
		"/favicon.ico":                                  "/:file",
		"/static/a/b/c":                                 "/static/*",
		"/static":                                       "/static/*",
		"http://front.example/users/1?x":                "/users/:id",
		"http://front.example":                          "/",
		"/redirect?to=http://a.example/":                "/redirect",
		"*":                                             "other",
		"front.example:443":                             "other",
		"":                                              "other",
		"/a" + strings.Repeat("/b", 40):                 "/a" + strings.Repeat("/b", 11) + "/*",
	} {
		if got := r.names[r.route([]byte(path), 200)]; got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}

func TestRouteIsBounded(t *testing.T) {
	r, err := newRouter([]string{"/kept/:id"}, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 { // a scanner, and an outage
		for _, status := range []int{400, 403, 404, 502, 503, 504, 0} {
			if id := r.route(fmt.Appendf(nil, "/wp-%c%c", 'a'+i%26, 'a'+i/26), status); id != 0 {
				t.Fatalf("status %d made a route", status)
			}
		}
	}
	for path, want := range map[string]string{"/a": "/a", "/b": "/b", "/c": "/c"} {
		if got := r.names[r.route([]byte(path), 200)]; got != want {
			t.Errorf("%s: got %q", path, got)
		}
	}
	if got := r.route([]byte("/d"), 200); got != 0 {
		t.Errorf("the fourth route is %q, want other", r.names[got])
	}
	if got := r.names[r.route([]byte("/b"), 404)]; got != "/b" {
		t.Errorf("a known route with 404 is %q", got)
	}
	if got := r.names[r.route([]byte("/kept/x"), 404)]; got != "/kept/:id" {
		t.Errorf("the configured route is %q", got)
	}
}

func TestParseTemplate(t *testing.T) {
	for _, text := range []string{"", "a", "/a?b", "/a b", "/*/a", "/a\x00", "/a\n", strings.Repeat("/a", 20)} {
		if _, err := newRouter([]string{text}, 10); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	if _, err := newRouter([]string{"/a", "/a"}, 10); err == nil {
		t.Error("a route listed twice was accepted")
	}
}

func FuzzRoute(f *testing.F) {
	f.Add("/api/v1/stocks/000001.SZ/data?x#y", 200)
	f.Add("http://\x00/%zz//..;/\xff", 500)
	f.Fuzz(func(t *testing.T, path string, status int) {
		r, err := newRouter([]string{"/x/:y/*"}, 2)
		if err != nil {
			t.Fatal(err)
		}
		name := r.names[r.route([]byte(path), status)]
		if len(name) > (maxSegments+1)*(maxWordBytes+1) || !isPrintable(name) || strings.ContainsAny(name, "?# ") {
			t.Errorf("route %q", name)
		}
	})
}
