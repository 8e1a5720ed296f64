package rules_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/chronoops/chronoops/rules"
	"github.com/chronoops/chronoops/tools/parts"
)

type rule struct {
	Record, Alert, Expr string
	For                 string
	KeepFiringFor       string `yaml:"keep_firing_for"`
	Labels              map[string]string
	Annotations         map[string]string
}

// load reads all rules and fails on a key that Prometheus does not know.
func load(t *testing.T) (all []rule) {
	t.Helper()
	names, err := fs.Glob(rules.Files(), "*.yml")
	if err != nil || len(names) == 0 {
		t.Fatalf("rule files: %v, %v", names, err)
	}
	for _, name := range names {
		b, err := fs.ReadFile(rules.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Groups []struct {
				Name  string
				Rules []rule
			}
		}
		if err := yaml.Load(b, &file, yaml.WithKnownFields()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, g := range file.Groups {
			all = append(all, g.Rules...)
		}
	}
	return all
}

func alerts(t *testing.T) map[string]rule {
	t.Helper()
	byName := map[string]rule{}
	for _, r := range load(t) {
		if r.Alert == "" {
			continue
		}
		if _, twice := byName[r.Alert]; twice {
			t.Errorf("alert %s is defined twice", r.Alert)
		}
		byName[r.Alert] = r
	}
	return byName
}

func TestPromtool(t *testing.T) {
	promtool, err := parts.Find("promtool")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		args  []string
		files string
	}{
		{[]string{"check", "rules", "--lint=all", "--lint-fatal"}, "v1/*.yml"},
		{[]string{"test", "rules"}, "v1/tests/*.yml"},
	} {
		files, err := filepath.Glob(step.files)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", step.files, files, err)
		}
		out, err := promtool.Command(append(step.args, files...)...).CombinedOutput()
		if err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(step.args, " "), err, out)
		}
	}
}

func TestAlertsAreComplete(t *testing.T) {
	immediate := []string{"Watchdog", "PagesFailing"} // these look back by themselves
	for name, a := range alerts(t) {
		if !slices.Contains([]string{"critical", "warning", "info", "none"}, a.Labels["severity"]) {
			t.Errorf("%s: severity %q", name, a.Labels["severity"])
		}
		if !slices.Contains([]string{"P0", "P1", "P2"}, a.Labels["priority"]) {
			t.Errorf("%s: priority %q", name, a.Labels["priority"])
		}
		if a.Labels["domain"] == "" {
			t.Errorf("%s has no domain", name)
		}
		for _, key := range []string{"summary", "description"} {
			if a.Annotations[key] == "" {
				t.Errorf("%s has no %s", name, key)
			}
		}
		if got, want := a.Annotations["runbook_url"], rules.RunbookBase+name; got != want {
			t.Errorf("%s: runbook_url %q, want %q", name, got, want)
		}
		if (a.For == "") != slices.Contains(immediate, name) {
			t.Errorf("%s: for is %q", name, a.For)
		}
		text, err := rules.Runbook(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range []string{"# " + name + "\n", "## Look\n", "## Do\n", "## 中文\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("the runbook of %s lacks %q", name, want)
			}
		}
	}
}

// TestAnnotationsUseLabelsThatExist catches labels that only the rule adds: templates do not see those.
func TestAnnotationsUseLabelsThatExist(t *testing.T) {
	used := regexp.MustCompile(`\$labels\.(\w+)`)
	for name, a := range alerts(t) {
		for _, text := range a.Annotations {
			for _, m := range used.FindAllStringSubmatch(text, -1) {
				if _, added := a.Labels[m[1]]; added {
					t.Errorf("%s: $labels.%s is a label of the rule and empty in annotations", name, m[1])
				}
			}
		}
	}
}

func TestRunbooksBelongToAlerts(t *testing.T) {
	known := alerts(t)
	files, err := filepath.Glob("runbooks/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, ok := known[strings.TrimSuffix(filepath.Base(file), ".md")]; !ok {
			t.Errorf("%s belongs to no alert", file)
		}
	}
	for _, name := range []string{"../rules", "NoSuchAlert", ""} {
		if _, err := rules.Runbook(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Runbook(%q): %v", name, err)
		}
	}
}

func TestVersionIsTheRecordedOne(t *testing.T) {
	for _, r := range load(t) {
		if r.Record == "chronoops_rules_info" {
			if got := r.Labels["version"]; got != rules.Version {
				t.Errorf("the rules record version %q, the package says %q", got, rules.Version)
			}
			return
		}
	}
	t.Error("no rule records chronoops_rules_info")
}

// TestEveryAlertIsTested wants of each alert a case in which it fires and one in which it is quiet although there are
// series, and one without any data that it could fire on.
func TestEveryAlertIsTested(t *testing.T) {
	fires, quiet, noData := map[string]bool{}, map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob("v1/tests/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Tests []struct {
				Name   string
				Series []any `yaml:"input_series"`
				Alerts []struct {
					Name     string `yaml:"alertname"`
					Expected []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		if err := yaml.Load(b, &doc); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, group := range doc.Tests {
			for _, a := range group.Alerts {
				switch {
				case len(a.Expected) > 0:
					fires[a.Name] = true
				case strings.HasPrefix(group.Name, "without data"):
					noData[a.Name] = true
				case len(group.Series) > 0:
					quiet[a.Name] = true
				}
			}
		}
	}
	// What must always be there fires without data.
	alwaysFires := []string{"Watchdog"}
	firesOnNothing := []string{"Watchdog", "ChronoopsDown"}
	for name := range alerts(t) {
		if !fires[name] {
			t.Errorf("%s has no test in which it fires", name)
		}
		if !quiet[name] && !slices.Contains(alwaysFires, name) {
			t.Errorf("%s has no test in which it is quiet", name)
		}
		if !noData[name] && !slices.Contains(firesOnNothing, name) {
			t.Errorf("%s has no test without data", name)
		}
	}
}
