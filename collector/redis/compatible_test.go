package redis_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/tools/stack"
)

// known are the families of redis_exporter as name{labels} type, those that it emits by default and all others.
func known(t *testing.T) (byDefault, others []string) {
	t.Helper()
	b, err := os.ReadFile("testdata/redis_exporter.txt")
	if err != nil {
		t.Fatal(err)
	}
	section := 0
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
			section++
		case section == 1:
			byDefault = append(byDefault, sortLabels(line))
		default:
			others = append(others, sortLabels(line))
		}
	}
	return byDefault, others
}

func sortLabels(line string) string {
	name, rest, _ := strings.Cut(line, "{")
	labels, kind, _ := strings.Cut(rest, "}")
	list := strings.Split(labels, ",")
	slices.Sort(list)
	return name + "{" + strings.Join(list, ",") + "}" + kind
}

// missing are the families that we leave out, by name or by what the name begins with, and why.
var missing = map[string]string{
	"redis_tile38_*":                    "Tile38 is another server",
	"redis_cached_keys_total":           "KeyDB is another server",
	"redis_current_client_thread":       "KeyDB",
	"redis_db_keys_cached":              "KeyDB; on Redis 7.4 and later the studied exporter takes the number of keys with expiring fields for it",
	"redis_long_lock_waits_total":       "KeyDB",
	"redis_server_threads_total":        "KeyDB",
	"redis_storage_provider_*":          "KeyDB",
	"redis_client_biggest_input_buf":    "Redis before 5",
	"redis_client_longest_output_list":  "Redis before 5",
	"redis_config_key_value":            "CONFIG GET * has passwords in it",
	"redis_config_value":                "CONFIG GET * has passwords in it",
	"redis_sentinel_config_*":           "SENTINEL CONFIG GET * has passwords in it",
	"redis_latest_fork_usec":            "never emitted: it becomes redis_latest_fork_seconds",
	"redis_rdb_current_size_bytes":      "needs the server's files",
	"redis_script_*":                    "runs scripts of the operator on the server",
	"redis_search_index_*":              "needs one FT.INFO for each index",
	"redis_exporter_last_scrape_ping_*": "no PING is sent: INFO answers the question",
}

func left(name string) bool {
	for pattern := range missing {
		prefix, isPrefix := strings.CutSuffix(pattern, "*")
		if name == pattern || isPrefix && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// TestCompatible holds that every family of redis_exporter is declared with its labels and its type, or left out for a
// reason, and that what is left out is really not there.
func TestCompatible(t *testing.T) {
	declared := make(map[string]string)
	for _, part := range redis.Parts() {
		for _, f := range part.Families {
			declared[f.Name] = sortLabels(f.Name + "{" + strings.Join(f.Labels, ",") + "} " + f.Type.String())
		}
	}
	byDefault, others := known(t)
	for _, want := range slices.Concat(byDefault, others) {
		name, _, _ := strings.Cut(want, "{")
		got, ok := declared[name]
		switch {
		case left(name) && ok:
			t.Errorf("%s is declared and left out", name)
		case !left(name) && !ok:
			t.Errorf("%s is missing", want)
		case ok && got != want:
			t.Errorf("declared as %s, want %s", got, want)
		}
	}
	for name := range missing {
		if !slices.ContainsFunc(slices.Concat(byDefault, others), func(line string) bool {
			return strings.HasPrefix(line, strings.TrimSuffix(name, "*"))
		}) {
			t.Errorf("%s is left out, but nobody has it", name)
		}
	}
}

// TestDefaultFamilies holds that a plain server gives the families that redis_exporter has of it by default.
func TestDefaultFamilies(t *testing.T) {
	r := start(t, stack.RedisOptions{})
	do(t, r.Addr, "SET k v EX 100")
	c := collect(t, redis.Options{Config: target(r.URL)})
	collectortest.Text(t, c)
	got := families(t, collectortest.Text(t, c))
	if variant() != "" {
		return // The list is of one version; for others TestFamilies has what they give.
	}
	byDefault, _ := known(t)
	for _, want := range byDefault {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
}
