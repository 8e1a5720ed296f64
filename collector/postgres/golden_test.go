package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/postgres"
	"github.com/chronoops/chronoops/tools/stack"
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

// TestFamilies holds names, labels and types to the golden files of each version, which begin as those of
// postgres_exporter, and checks that every part emits what it declares and nothing else.
func TestFamilies(t *testing.T) {
	for _, major := range majors(t) {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			primary, standby := busy(t, major)
			testFamilies(t, primary, fmt.Sprintf("testdata/primary%d.txt", major))
			testFamilies(t, standby, fmt.Sprintf("testdata/standby%d.txt", major))
		})
	}
}

func testFamilies(t *testing.T, p *stack.Postgres, golden string) {
	t.Helper()
	c := collect(t, postgres.Options{Config: everything(p.URL)})
	s := collectortest.NewScraper(t, c)
	s.Scrape(enough)
	o := until(t, s, "the round over the databases, and a standby that works", func(o collectortest.Outcome) bool {
		works := strings.Contains(o.Text, "\nchronoops_postgres_standby_replay_lag_seconds{") ||
			strings.Contains(o.Text, "\nchronoops_postgres_wal_replayed_timestamp_seconds ")
		return works && o.Sample(`chronoops_postgres_bloat_unknown_tables{datname="postgres"}`) != ""
	})
	wantUp(t, o)
	if log := s.Log(); len(log) > 0 {
		t.Errorf("logged %q", log)
	}
	var settings, others []string
	for _, line := range families(t, o.Text) {
		if strings.HasPrefix(line, "pg_settings_") {
			settings = append(settings, line)
		} else {
			others = append(others, line)
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(strings.Join(others, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(lines(t, golden), others); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
	// Minor versions may add settings; none that dashboards know may go.
	for _, line := range lines(t, "testdata/settings15.txt") {
		if !slices.Contains(settings, line) && strings.HasSuffix(golden, "15.txt") {
			t.Errorf("%s is missing", line)
		}
	}
	testDeclared(t, c)
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// testDeclared checks that what is emitted is declared in the part that emits it.
func testDeclared(t *testing.T, c *postgres.Collector) {
	t.Helper()
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
				name == "chronoops_postgres_view_rows_left_out" || name == "chronoops_postgres_database_age_seconds" ||
				strings.HasPrefix(name, "pg_exporter_")
			setting := part.Name == "settings" && strings.HasPrefix(name, "pg_settings_")
			if !declared[name] && !always && !setting {
				t.Errorf("part %s emits %s, which it does not declare", part.Name, name)
			}
		}
	}
}

// TestEverythingIsEmitted looks for what is declared and in no golden file, where a mistake in its SQL would show.
func TestEverythingIsEmitted(t *testing.T) {
	files, err := filepath.Glob("testdata/*y*[0-9].txt") // primaries and standbys
	if err != nil {
		t.Fatal(err)
	}
	emitted := make(map[string]bool)
	for _, file := range files {
		for _, line := range lines(t, file) {
			name, _, _ := strings.Cut(line, "{")
			emitted[name] = true
		}
	}
	want := []string{
		"chronoops_target_down",
		"pg_stat_activity_autovacuum_timestamp_seconds",
	}
	var got []string
	for _, part := range postgres.Parts() {
		for _, f := range part.Families {
			if !emitted[f.Name] && !strings.HasPrefix(f.Name, "pg_settings_") {
				got = append(got, f.Name)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("declared and never seen (-want +got):\n%s", diff)
	}
}
