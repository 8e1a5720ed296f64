package postgres_test

import (
	"context"
	"io"
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
	"github.com/chronoops/chronoops/tools/stack/stacktest"
)

// postgresExporter runs the studied exporter until the test ends and returns a function that scrapes it.
func postgresExporter(t *testing.T, dsn string, args ...string) (scrape func() collectortest.Exposition) {
	t.Helper()
	program, err := parts.Find("prometheus-postgres-exporter")
	if err != nil {
		t.Fatal(err)
	}
	e, err := stack.StartExporter(context.Background(), stack.ExporterOptions{
		Name: "postgres_exporter", Program: program, Env: []string{"DATA_SOURCE_NAME=" + dsn},
		Args: append([]string{"--web.listen-address=127.0.0.1:@PORT@"}, args...),
	})
	e = stacktest.Run(t, e, err)
	return func() collectortest.Exposition {
		t.Helper()
		resp, err := http.Get(e.URL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("scrape postgres_exporter: %s %v", resp.Status, err)
		}
		return parse(t, string(body))
	}
}

func parse(t testing.TB, text string) collectortest.Exposition {
	t.Helper()
	x, err := collectortest.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// dropped are families of the exporter in Debian that later versions do not have, or that are about itself.
func dropped(name string) bool {
	for _, prefix := range []string{
		"pg_stat_database_sessions", "pg_stat_database_session_time", "pg_stat_database_checksum_", "pg_exporter_", "pg_scrape_",
		"pg_stat_replication_reply_time",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "pg_stat_database_active_time", "pg_stat_database_idle_in_transaction_time",
		"pg_stat_archiver_last_archive_age", // NaN for never, where we and later versions have nothing
		"pg_settings_extra_float_digits":    // of its own session
		return true
	}
	return !strings.HasPrefix(name, "pg_")
}

// wavering are families whose values the two exporters change themselves, or that time does.
func wavering(name string) bool {
	return name == "pg_stat_activity_count" || name == "pg_stat_database_numbackends" || name == "pg_locks_count" || strings.Contains(name, "_age") || strings.HasSuffix(name, "_duration")
}

var serverLabel = regexp.MustCompile(`,?server="[^"]*"`)

// plain takes the label server off a series, which Debian's exporter puts on all of them and later ones on few.
func plain(series string) string {
	return strings.NewReplacer("{,", "{", "{}", "").Replace(serverLabel.ReplaceAllString(series, ""))
}

// byPlain sums series up under the labels that both have: those of sessions have more today.
func byPlain(family *collectortest.Exposed) map[string]float64 {
	sums := make(map[string]float64)
	for series, v := range family.Series {
		if strings.HasPrefix(family.Name, "pg_stat_activity_") {
			series = moreLabels.ReplaceAllString(series, "")
		}
		if strings.HasPrefix(family.Name, "pg_stat_replication_") { // Debian's takes the pid for the slot.
			series = strings.Replace(walSender.ReplaceAllString(series, ""), `/32"`, `"`, 1)
		}
		if strings.Contains(series, `datid="0"`) {
			continue // What belongs to no database, which later versions leave out.
		}
		sums[plain(series)] += v
	}
	return sums
}

var walSender = regexp.MustCompile(`,?(pid|slot_name)="[^"]*"`)

var moreLabels = regexp.MustCompile(`,?(application_name|backend_type|usename|wait_event|wait_event_type)="[^"]*"`)

// TestAgainstExporter scrapes us, postgres_exporter and us again, and wants the same of both: names, types, series, and
// values that lie between our two.
func TestAgainstExporter(t *testing.T) {
	p := start(t, stack.PostgresOptions{Major: parts.EverydayPostgres()[0]})
	admin := connect(t, p.URL)
	exec(t, admin, "CREATE TABLE orders (n int); INSERT INTO orders VALUES (1)")
	exec(t, admin, "SELECT pg_create_physical_replication_slot('slot', true)")
	standby, err := stack.StartStandby(context.Background(), p, stack.StandbyOptions{})
	stacktest.Run(t, standby, err)
	for _, server := range []*stack.Postgres{p, standby} {
		theirs := postgresExporter(t, server.URL)
		s := scraper(t, server.URL)
		theirs()
		s.Scrape(enough)
		before := parse(t, s.Scrape(enough).Text)
		them := theirs()
		after := parse(t, s.Scrape(enough).Text)
		compared := 0
		for _, their := range them.Families() {
			if dropped(their.Name) {
				continue
			}
			ours, ok := after[their.Name]
			if !ok {
				t.Errorf("%s is missing", their.Interface())
				continue
			}
			if ours.Type != their.Type {
				t.Errorf("%s is a %s, theirs a %s", their.Name, ours.Type, their.Type)
			}
			a, b := byPlain(before[their.Name]), byPlain(ours)
			for series, value := range byPlain(their) {
				v1, ok1 := a[series]
				v2, ok2 := b[series]
				compared++
				switch {
				case !ok1 && !ok2:
					t.Errorf("%s is missing", series)
				case wavering(their.Name):
				case !between(value, v1, v2):
					t.Errorf("%s is %v, we have %v and %v", series, value, v1, v2)
				}
			}
		}
		if compared < 300 {
			t.Errorf("only %d series were compared", compared)
		}
	}
}

func between(v, a, b float64) bool {
	low, high := math.Min(a, b), math.Max(a, b)
	return math.IsNaN(v) || v >= low-1e-9*math.Abs(low) && v <= high+1e-9*math.Abs(high)
}
