package api

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"
)

func load(text string) (Config, error) {
	var c Config
	err := yaml.Load([]byte(text), &c, yaml.WithKnownFields())
	return c, err
}

func TestConfig(t *testing.T) {
	got, err := load(`
name: backend
url: http://127.0.0.1:8000
on_metrics: true
headers: {X-Team: ops}
probes: [/health, {path: /api/v1/health/quick, min_interval: 60s, status: [200], body: healthy, timeout: 3s}]
access_log: {path: /var/log/nginx/access.log, routes: ['/api/v1/stocks/:code/data']}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Name: "backend", URL: "http://127.0.0.1:8000", OnMetrics: true, Headers: map[string]string{"X-Team": "ops"},
		Probes: []ProbeConfig{
			{Path: "/health", Method: "GET", MinInterval: model.Duration(DefaultMinInterval), Timeout: model.Duration(DefaultTimeout), MaxBody: DefaultMaxBody},
			{
				Path: "/api/v1/health/quick", Method: "GET", MinInterval: model.Duration(time.Minute), Timeout: model.Duration(3 * time.Second),
				Status: []int{200}, Body: "healthy", MaxBody: DefaultMaxBody,
			},
		},
		AccessLog: &AccessLogConfig{Path: "/var/log/nginx/access.log", Format: FormatCombined, Routes: []string{"/api/v1/stocks/:code/data"}, MaxRoutes: DefaultMaxRoutes},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestConfigDefaultProbe(t *testing.T) {
	for target, want := range map[string][2]string{
		"http://h:8000":                 {"/health", "http://h:8000/health"},
		"http://h:8000/":                {"/health", "http://h:8000/health"},
		"https://h/api/v1/health/quick": {"/api/v1/health/quick", "https://h/api/v1/health/quick"},
	} {
		c, err := load("{name: a, url: '" + target + "'}")
		if err != nil {
			t.Fatal(err)
		}
		opts, err := c.ProbeOptions()
		if err != nil {
			t.Fatal(err)
		}
		if len(opts) != 1 || opts[0].Name != want[0] || opts[0].URL != want[1] {
			t.Errorf("%s: %+v", target, opts)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{url: http://h}`:                                                         "give it one, e.g. name: backend",
		`{name: 'a b', url: http://h}`:                                            "api target name",
		`{name: 'a/../b', url: http://h}`:                                         "api target name",
		`{name: a}`:                                                               "write e.g. url: http://127.0.0.1:8000",
		`{name: a, url: '127.0.0.1:8000'}`:                                        "url cannot be parsed",
		`{name: a, url: 'h:8000'}`:                                                "must begin with http://",
		`{name: a, url: 'file:///etc'}`:                                           "must begin with http://",
		`{name: a, url: 'http://u:s3cr3t@h'}`:                                     "authorization_file",
		`{name: a, url: 'http://h?t=s3cr3t'}`:                                     "leave it out",
		`{name: a, url: http://h, prob: []}`:                                      "prob",
		`{name: a, url: http://h, probes: [health]}`:                              "must begin with /",
		`{name: a, url: http://h, probes: ['/a b']}`:                              "percent-encoded",
		`{name: a, url: http://h, probes: ['/%zz']}`:                              "not part of a valid URL",
		`{name: a, url: http://h, probes: [/a, /a]}`:                              "two probes",
		`{name: a, url: http://h, probes: ['/a?x', '/a?y']}`:                      "two probes",
		`{name: a, url: http://h, probes: [{path: /a, interval: 5s}]}`:            "interval",
		`{name: a, url: http://h, probes: [{path: /a, method: POST}]}`:            "only GET and HEAD",
		`{name: a, url: http://h, probes: [{path: /a, min_interval: soon}]}`:      "duration",
		`{name: a, url: http://h, probes: [{path: /a, status: [99]}]}`:            "want 100 to 599",
		`{name: a, url: http://h, probes: [{path: /a, body: '('}]}`:               "body",
		`{name: a, url: http://h, probes: [{path: /a, body: x, method: HEAD}]}`:   "use GET",
		`{name: a, url: http://h, probes: [{path: /a, max_body: -1}]}`:            "max_body",
		`{name: a, url: http://h, headers: {authorization: s3cr3t}}`:              "authorization_file",
		`{name: a, url: http://h, headers: {'X-A': "a\r\nB: c"}}`:                 "not a valid HTTP header",
		`{name: a, url: http://h, tls: {ca: x, ca_file: y}}`:                      "at most one of ca",
		`{name: a, url: http://h, access_log: {}}`:                                "must be absolute",
		`{name: a, url: http://h, access_log: {path: access.log}}`:                "must be absolute",
		`{name: a, url: http://h, access_log: {path: /a, format: json}}`:          "want combined",
		`{name: a, url: http://h, access_log: {path: /a, max_routes: 100000}}`:    "max_routes",
		`{name: a, url: http://h, access_log: {path: /a, routes: ['^/a/[0-9]']}}`: "write it as a path",
		`{name: a, url: http://h, access_log: {path: /a, route: []}}`:             "route",
	} {
		_, err := load(text)
		if err == nil {
			t.Errorf("%s was accepted", text)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestFreeConfigIsStrict(t *testing.T) {
	var c FreeConfig
	if err := yaml.Load([]byte(`{allow: [example.com:443], private: [10.0.0.0/8]}`), &c, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{allow: ['*']}`, `{allowed: []}`, `{private: [x]}`} {
		if err := yaml.Load([]byte(text), &c, yaml.WithKnownFields()); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("http://h/", "/health?x", "body", "/r/:id/*")
	f.Fuzz(func(t *testing.T, target, path, body, route string) {
		c := Config{Name: "a", URL: target, Probes: []ProbeConfig{{Path: path, Body: body}}, AccessLog: &AccessLogConfig{Path: "/x", Routes: []string{route}}}
		opts, err := c.ProbeOptions()
		if err != nil {
			return
		}
		if !isPrintable(opts[0].Name) || strings.Contains(opts[0].Name, "?") {
			t.Errorf("label %q", opts[0].Name)
		}
	})
}
