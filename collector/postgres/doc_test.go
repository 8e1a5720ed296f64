package postgres_test

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v4"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
)

// blocks returns the code blocks of a language in the documentation.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	b, err := os.ReadFile("../../docs/postgresql.md")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i, part := range strings.Split(string(b), "```") {
		if text, ok := strings.CutPrefix(part, language+"\n"); ok && i%2 == 1 {
			list = append(list, text)
		}
	}
	return list
}

// TestDocumentedGrants runs the documented statements, and looks whether they are enough for every part.
func TestDocumentedGrants(t *testing.T) {
	p := start(t, stack.PostgresOptions{Settings: map[string]string{"shared_preload_libraries": "pg_stat_statements"}})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE TABLE orders AS SELECT n, 'x' AS note FROM generate_series(1, 1000) n")
	exec(t, admin, "ANALYZE")
	sql := blocks(t, "sql")
	if len(sql) != 2 {
		t.Fatalf("%d blocks of SQL, want what is needed and what is optional", len(sql))
	}
	exec(t, admin, sql[0])
	wantUp(t, scrape(t, collect(t, postgres.Options{Config: target(p.As("chronoops", "postgres"))})).Scrape(enough))

	major, err := p.Major()
	if err != nil {
		t.Fatal(err)
	}
	if major < 14 {
		exec(t, admin, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO chronoops")
		sql[1] = strings.ReplaceAll(sql[1], "GRANT pg_read_all_data TO chronoops;", "")
	}
	if _, err := admin.Exec(t.Context(), sql[1], pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	s := collectortest.NewScraper(t, collect(t, postgres.Options{Config: everything(p.As("chronoops", "postgres"))}))
	const unknown = `chronoops_postgres_bloat_unknown_tables{datname="postgres"}`
	o := until(t, s, "bloat", has(unknown))
	wantUp(t, o)
	if o.Sample(unknown) != "0" {
		t.Errorf("%s = %s", unknown, o.Sample(unknown))
	}
	if log := s.Log(); len(log) > 0 {
		t.Errorf("logged %q", log)
	}
}

// TestDocumentedConfiguration loads the documented configuration.
func TestDocumentedConfiguration(t *testing.T) {
	list := blocks(t, "yaml")
	if len(list) != 1 {
		t.Fatalf("%d examples, want 1", len(list))
	}
	var file struct {
		Targets struct {
			Postgres []postgres.Config `yaml:"postgres"`
		} `yaml:"targets"`
	}
	if err := yaml.Load([]byte(list[0]), &file, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	if cfg := file.Targets.Postgres[0]; len(cfg.Queries) != 1 || cfg.Statements.Top != 50 || len(cfg.Databases.Include) != 1 {
		t.Errorf("%+v", cfg)
	}
}
