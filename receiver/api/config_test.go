package api_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/chronoops/chronoops/receiver/api"
)

func parse(text string) (c api.Credentials, err error) {
	err = yaml.Load([]byte(text), &c, yaml.WithKnownFields())
	return c, err
}

func TestCredentialsRead(t *testing.T) {
	c, err := parse(`
tokens:
  - {name: alice, role: operator, token_file: alice.token}
  - {name: wall, role: viewer, token: ` + w16 + `}
sources:
  - {name: prod, token_file: /run/secrets/webhook, alertmanagers: [am1, am2]}
  - {name: test, path: /hooks/test}
  - {name: root, path: /}
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	c.SetDirectory("/etc/chronoops")
	want := api.Credentials{
		Tokens: []api.TokenConfig{
			{Name: "alice", Role: api.RoleOperator, TokenFile: filepath.FromSlash("/etc/chronoops/alice.token")}, {Name: "wall", Role: api.RoleViewer, Token: w16},
		},
		Sources: []api.SourceConfig{
			{Name: "prod", TokenFile: "/run/secrets/webhook", Alertmanagers: []string{"am1", "am2"}}, {Name: "test", Path: "/hooks/test"}, {Name: "root", Path: "/"},
		},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{api.WebhookPath, "/hooks/test", "/"}, c.Paths()); diff != "" {
		t.Error(diff)
	}
	b, err := yaml.Dump(c)
	if err != nil || strings.Contains(string(b), w16) {
		t.Errorf("a secret is shown (%v):\n%s", err, b)
	}
}

func TestCredentialsRefused(t *testing.T) {
	for text, words := range map[string]string{
		`tokens: [{role: viewer, token: 0123456789abcdef}]`:                                                              "token has no name",
		`tokens: [{name: operator, role: operator, token: 0123456789abcdef}]`:                                            "generated token",
		`tokens: [{name: "a (token b)", role: operator, token: 0123456789abcdef}]`:                                       "has the character '('",
		`tokens: [{name: alice, role: admin, token: 0123456789abcdef}]`:                                                  "want viewer or operator",
		`tokens: [{name: alice, token: 0123456789abcdef}]`:                                                               "want viewer or operator",
		`tokens: [{name: alice, role: operator}]`:                                                                        "add `token_file`",
		`tokens: [{name: alice, role: operator, token: 0123456789abcdef, token_file: x}]`:                                "not both",
		`tokens: [{name: alice, role: operator, token: short}]`:                                                          "could be guessed",
		`tokens: [{name: alice, role: operator, tokenfile: x}]`:                                                          "tokenfile",
		`sources: [{token: 0123456789abcdef}]`:                                                                           "source has no name",
		`sources: [{name: prod, token: 0123456789abcdef, token_file: x}]`:                                                "not both",
		`sources: [{name: prod, token: short}]`:                                                                          "could be guessed",
		`sources: [{name: prod, path: hooks}]`:                                                                           "must begin with /",
		`sources: [{name: prod, path: /a/../b}]`:                                                                         "must begin with /",
		`sources: [{name: prod, path: "/{id}"}]`:                                                                         "must begin with /",
		`sources: [{name: prod, path: /api/v1/pause}]`:                                                                   "used by chronoops itself",
		`sources: [{name: prod, path: /api}]`:                                                                            "used by chronoops itself",
		`sources: [{name: prod, path: /metrics}]`:                                                                        "used by chronoops itself",
		`sources: [{name: prod, pth: /x}]`:                                                                               "pth",
		`sources: [{name: a}, {name: b}]`:                                                                                "cannot be told from another",
		`sources: [{name: a, path: /x}, {name: b, path: /x}]`:                                                            "cannot be told from another",
		`sources: [{name: a}, {name: a, path: /x}]`:                                                                      "configured twice",
		`sources: [{name: a, token: 0123456789abcdef}, {name: b, token: 0123456789abcdef}]`:                              "same secret",
		`tokens: [{name: a, role: viewer, token: x0123456789abcdef}, {name: a, role: viewer, token: y0123456789abcdef}]`: "configured twice",
	} {
		c, err := parse(text)
		if err == nil {
			err = c.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: got %v, want %q", text, err, words)
		}
		if err != nil && strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("a secret is in the error: %v", err)
		}
	}
}
