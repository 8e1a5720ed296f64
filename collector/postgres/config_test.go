package postgres

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
	got, err := load("{name: main, dsn_file: /run/secrets/pg, slow_interval: 1h, on_metrics: true}")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Name: "main", DSNFile: "/run/secrets/pg", OnMetrics: true,
		SlowInterval: model.Duration(time.Hour), ApplicationNames: 50, Relations: 5000,
		Statements: StatementsConfig{Top: 50, Keep: model.Duration(time.Hour)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConfigIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"{name: main}":                                             "neither dsn nor dsn_file",
		"{dsn: 'postgres://h/d'}":                                  "no name",
		"{name: 'a b', dsn: 'postgres://h/d'}":                     "letters, digits",
		"{name: main, dsn: 'postgres://h/d', dsn_file: /x}":        "keep one",
		"{name: main, dsn: 'postgres://h:x/d'}":                    "percent-encoded",
		"{name: main, dsn_file: /x, slow_interval: -5m}":           "duration",
		"{name: main, dsn_file: /x, application_names: 0}":         "at least 1",
		"{name: main, dsn_file: /x, pool_size: 3}":                 "pool_size",
		"{name: main, dsn_file: /x, application_names: plenty}":    "plenty",
		"{name: main, dsn_file: /x, dsn: ''}":                      "",
		"{name: main, dsn: 'postgresql+psycopg2://u:p@h:5432/db'}": "",
		"{name: main, dsn: 'host=h user=u password=p dbname=d'}":   "",
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
	out, err := yaml.Dump(Config{Name: "main", DSN: "postgres://u:c4n4ry@h/d"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "c4n4ry") {
		t.Errorf("the password is in\n%s", out)
	}
}
