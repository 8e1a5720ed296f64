package postgres_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
)

// families lists an exposition as `name{labels} type`, one family a line.
func families(t *testing.T, text string) []string {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	mfs, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for name, mf := range mfs {
		var labels []string
		for _, l := range mf.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		slices.Sort(labels)
		lines = append(lines, name+"{"+strings.Join(labels, ",")+"} "+strings.ToLower(mf.GetType().String()))
	}
	slices.Sort(lines)
	return lines
}

// TestFamilies holds names, labels and types to those of postgres_exporter.
func TestFamilies(t *testing.T) {
	c := collect(t, postgres.Options{Config: target(server(t).URL)})
	var settings, others []string
	for _, line := range families(t, collectortest.Text(t, c)) {
		if strings.HasPrefix(line, "pg_settings_") {
			settings = append(settings, line)
		} else {
			others = append(others, line)
		}
	}
	const golden = "testdata/families.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(others, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(lines(t, golden), others); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Later minor versions may add settings; none that dashboards know may go.
	for _, line := range lines(t, "testdata/settings15.txt") {
		if !slices.Contains(settings, line) {
			t.Errorf("%s is missing", line)
		}
	}
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// TestDeclared checks that what is emitted is declared in the part that emits it.
func TestDeclared(t *testing.T) {
	c := collect(t, postgres.Options{Config: target(server(t).URL)})
	for _, part := range c.Parts() {
		declared := make(map[string]bool)
		for _, f := range part.Families {
			declared[f.Name] = true
		}
		text, success := collectortest.Scrape(t, c, part.Name)
		if !success[part.Name] {
			t.Errorf("part %s failed", part.Name)
		}
		for _, line := range families(t, text) {
			name, _, _ := strings.Cut(line, "{")
			always := name == "pg_up" || name == "pg_static" || name == "chronoops_postgres_view_age_seconds" ||
				name == "chronoops_postgres_view_rows_left_out"
			setting := part.Name == "settings" && strings.HasPrefix(name, "pg_settings_")
			if !declared[name] && !always && !setting {
				t.Errorf("part %s emits %s, which it does not declare", part.Name, name)
			}
		}
	}
}
