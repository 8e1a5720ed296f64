package redis

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

func load(text string) (Config, error) {
	var c Config
	err := yaml.Load([]byte(text), &c, yaml.WithKnownFields())
	return c, err
}

func TestConfig(t *testing.T) {
	got, err := load("{name: cache, url: 'redis://127.0.0.1:6379/0', username: ops, password_file: /run/secrets/redis}")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{Name: "cache", URL: "redis://127.0.0.1:6379/0", Username: "ops", PasswordFile: "/run/secrets/redis"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConfigIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"{name: cache}":                                                              "neither url nor url_file",
		"{url: 'redis://h'}":                                                         "no name",
		"{name: 'a b', url: 'redis://h'}":                                            "letters, digits",
		"{name: cache, url: 'redis://h', url_file: /x}":                              "keep one",
		"{name: cache, url: 'redis://h', password: a, password_file: /x}":            "keep one",
		"{name: cache, url: 'redis://h', username: a}":                               "add password_file",
		"{name: cache, url: 'http://h'}":                                             "redis://",
		"{name: cache, url: 'redis://h', pool_size: 3}":                              "pool_size",
		"{name: cache, url: 'redis://h', tls_config: {cert_file: /x}}":               "key_file",
		"{name: cache, url: 'redis://h', tls_config: {no_such_key: /x}}":             "no_such_key",
		"{name: cache, url: 'rediss://h', tls_config: {insecure_skip_verify: true}}": "",
		"{name: cache, url: 'unix:///run/redis.sock?db=1'}":                          "",

		"{name: c, url: 'redis://h', check_keys: ['a*', 'db3=b', '3=c'], key_groups: ['^(a):'], client_list: true}":              "",
		"{name: c, url: 'redis://h', check_keys: ['']}":                                                                          "check_keys",
		"{name: c, url: 'redis://h', count_keys: ['db1=']}":                                                                      "count_keys",
		"{name: c, url: 'redis://h', check_streams: ['db99999999999999999999=x']}":                                               "no such database",
		"{name: c, url: 'redis://h', key_groups: ['(']}":                                                                         "key_groups",
		"{name: c, url: 'redis://h', key_checks: {interval: 0s, keys_per_scrape: 5, time_per_scrape: 1s, batch: 10}}":            "",
		"{name: c, url: 'redis://h', key_checks: {batch: -1}}":                                                                   "above 0",
		"{name: c, url: 'redis://h', key_checks: {batch: 20000}}":                                                                "does nothing else",
		"{name: c, url: 'redis://h', key_checks: {max_keys: 1000000}}":                                                           "max_keys",
		"{name: c, url: 'redis://h', key_checks: {from: slave}}":                                                                 "replica or primary",
		"{name: c, url: 'redis://h', key_checks: {values: some}}":                                                                "numbers, all or none",
		"{name: c, url: 'redis://h', key_checks: {intervall: 1s}}":                                                               "intervall",
		"{name: c, url: 'redis://h', cluster: true, nodes: {allow: ['10.0.0.0/8:7000-7005', '*.example.org'], hostnames: true}}": "",
		"{name: c, url: 'redis://h', cluster: true, check_keys: ['db1=a']}":                                                      "no database but the first",
		"{name: c, url: 'redis://h', cluster: true, sentinel: {master: m}}":                                                      "exclude each other",
		"{name: c, url: 'redis://h', cluster: true, nodes: {password: x}}":                                                       "share the target's own",
		"{name: c, url: 'redis://h', sentinel: {master: m}, nodes: {username: u, password_file: /x}}":                            "",
		"{name: c, url: 'redis://h', sentinel: {}}":                                                                              "sentinel.master",
		"{name: c, url: 'redis://h', sentinel: {master: m}, nodes: {username: u}}":                                               "password_file",
		"{name: c, url: 'redis://h', sentinel: {master: m}, nodes: {password: u, password_file: /x}}":                            "keep one",
		"{name: c, url: 'redis://h', sentinel: {master: m}, nodes: {allow: ['*']}}":                                              "is no server",
		"{name: c, url: 'redis://h', nodes: {allow: ['h']}}":                                                                     "cluster: true",
	} {
		_, err := load(text)
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

func TestConfigHidesSecrets(t *testing.T) {
	out, err := yaml.Dump(Config{Name: "cache", URL: "redis://:c4n4ry@h", Password: "c4n4ry", Nodes: NodeConfig{Password: "c4n4ry"}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "c4n4ry") {
		t.Errorf("the password is in\n%s", out)
	}
}
