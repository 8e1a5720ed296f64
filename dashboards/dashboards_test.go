package dashboards

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/chronoops/chronoops/rules"
	"github.com/chronoops/chronoops/tools/parts"
)

var update = flag.Bool("update", false, "write the dashboards that the builder makes")

func TestFilesAreWhatTheBuilderMakes(t *testing.T) {
	built, err := build()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range built {
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := fs.ReadFile(Files(), name)
		if err != nil {
			t.Errorf("%v: run make generate", err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the builder makes: run make generate", name)
		}
	}
	kept, err := fs.Glob(Files(), "*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range kept {
		if _, ok := built[name]; !ok {
			t.Errorf("%s has no builder", name)
		}
	}
}

// all reads the built dashboards back, so that the tests see what Grafana does.
func all(t *testing.T) map[string]dashboard {
	t.Helper()
	built, err := build()
	if err != nil {
		t.Fatal(err)
	}
	boards := map[string]dashboard{}
	for name, b := range built {
		decoder := json.NewDecoder(bytes.NewReader(b))
		decoder.DisallowUnknownFields()
		var d dashboard
		if err := decoder.Decode(&d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		boards[name] = d
	}
	return boards
}

func TestDashboardsImportAnywhere(t *testing.T) {
	uids := map[string]string{}
	for name, d := range all(t) {
		if d.ID != nil {
			t.Errorf("%s has an id of one Grafana", name)
		}
		if !regexp.MustCompile(`^[a-z0-9-]{1,40}$`).MatchString(d.UID) {
			t.Errorf("%s: uid %q", name, d.UID)
		}
		if other, taken := uids[d.UID]; taken {
			t.Errorf("%s and %s share the uid %s", name, other, d.UID)
		}
		uids[d.UID] = name
		if d.SchemaVersion < 39 || d.SchemaVersion > 41 {
			t.Errorf("%s: schemaVersion %d", name, d.SchemaVersion)
		}
		if d.Editable || !slices.Contains(d.Tags, "chronoops") {
			t.Errorf("%s: editable %t, tags %v", name, d.Editable, d.Tags)
		}
		if first := d.Templating.List[0]; first.Type != "datasource" || first.Name != "datasource" {
			t.Errorf("%s: the first variable is %s, want the data source", name, first.Name)
		}
		for _, v := range d.Templating.List[1:] {
			if v.Datasource == nil || *v.Datasource != prometheus {
				t.Errorf("%s: variable %s does not use the data source variable", name, v.Name)
			}
		}
		for _, a := range d.Annotations.List {
			if a.Datasource != prometheus {
				t.Errorf("%s: annotation %s does not use the data source variable", name, a.Name)
			}
		}
	}
}

func TestPanels(t *testing.T) {
	for name, d := range all(t) {
		ids := map[int]string{}
		var placed []panel
		for _, p := range d.Panels {
			if other, taken := ids[p.ID]; taken {
				t.Errorf("%s: %q and %q share the id %d: choose another title", name, p.Title, other, p.ID)
			}
			ids[p.ID] = p.Title
			if p.GridPos.X+p.GridPos.W > gridWidth || p.GridPos.W <= 0 || p.GridPos.H <= 0 {
				t.Errorf("%s: %q does not fit the grid: %+v", name, p.Title, p.GridPos)
			}
			for _, q := range placed {
				if overlap(p.GridPos, q.GridPos) {
					t.Errorf("%s: %q lies over %q", name, p.Title, q.Title)
				}
			}
			placed = append(placed, p)
			if p.Type == "row" {
				continue
			}
			checkPanel(t, name, p)
		}
	}
}

func checkPanel(t *testing.T, name string, p panel) {
	t.Helper()
	if p.Type != "timeseries" && p.Type != "stat" {
		t.Errorf("%s: %q is of the type %s", name, p.Title, p.Type)
	}
	if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.FieldConfig.Defaults.NoValue == "" {
		t.Errorf("%s: %q lacks title, description, unit or noValue", name, p.Title)
	}
	if p.FieldConfig.Defaults.Unit == "percentunit" && *p.FieldConfig.Defaults.Min != 0 {
		t.Errorf("%s: %q is a ratio that does not begin at 0", name, p.Title)
	}
	steps := p.FieldConfig.Defaults.Thresholds.Steps
	if len(steps) == 0 || steps[0].Value != nil {
		t.Errorf("%s: %q: the first threshold has a value", name, p.Title)
	}
	if len(p.Targets) == 0 || *p.Datasource != prometheus {
		t.Errorf("%s: %q has no query or another data source", name, p.Title)
	}
	counter := regexp.MustCompile(`[a-z_]+_(total|xact_commit|xact_rollback|blks_hit|blks_read|bucket)\{`)
	for _, q := range p.Targets {
		if q.Datasource != prometheus {
			t.Errorf("%s: a query of %q does not use the data source variable", name, p.Title)
		}
		if !strings.Contains(q.Expr, scope) {
			t.Errorf("%s: a query of %q leaves out the variables: %s", name, p.Title, q.Expr)
		}
		for _, at := range counter.FindAllStringIndex(q.Expr, -1) {
			before := q.Expr[:at[0]]
			if !strings.HasSuffix(before, "rate(") && !strings.HasSuffix(before, "increase(") {
				t.Errorf("%s: %q shows a counter without its rate: %s", name, p.Title, q.Expr)
			}
		}
	}
}

func overlap(a, b gridPos) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// TestQueriesParse gives every query to promtool as a rule.
func TestQueriesParse(t *testing.T) {
	promtool, err := parts.Find("promtool")
	if err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	type group struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	}
	fill := strings.NewReplacer("$__rate_interval", "5m", "$job", ".+", "$instance", ".+")
	g := group{Name: "panels"}
	for _, d := range all(t) {
		add := func(expr string) {
			g.Rules = append(g.Rules, rule{"panel:" + strconv.Itoa(len(g.Rules)), fill.Replace(expr)})
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				add(q.Expr)
			}
		}
		for _, a := range d.Annotations.List {
			add(a.Expr)
		}
	}
	b, err := yaml.Dump(map[string][]group{"groups": {g}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := promtool.Command("check", "rules", "--lint=none", path).CombinedOutput()
	if err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	if want := strconv.Itoa(len(g.Rules)) + " rules found"; !strings.Contains(string(out), want) {
		t.Errorf("promtool: want %s in %s", want, out)
	}
}

// alertExprs reads the expressions of the shipped alerts.
func alertExprs(t *testing.T) map[string]string {
	t.Helper()
	exprs := map[string]string{}
	names, err := fs.Glob(rules.Files(), "*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := fs.ReadFile(rules.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Groups []struct {
				Rules []struct{ Alert, Expr string }
			}
		}
		if err := yaml.Load(b, &file); err != nil {
			t.Fatal(err)
		}
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				if r.Alert != "" {
					exprs[r.Alert] = r.Expr
				}
			}
		}
	}
	return exprs
}

func TestThresholdsAreThoseOfTheAlerts(t *testing.T) {
	exprs := alertExprs(t)
	for alert, want := range map[string]float64{
		"HighErrorRate": maxErrorRatio, "HighResponseTime": maxResponseTime, "HighCPUUsage": maxCPU,
		"HighMemoryUsage": maxMemory, "DiskSpaceLow": maxDisk, "TooManyConnections": maxConnections,
	} {
		m := regexp.MustCompile(`> ([0-9.]+)`).FindStringSubmatch(exprs[alert])
		if m == nil {
			t.Errorf("%s compares with nothing: %s", alert, exprs[alert])
			continue
		}
		if got, err := strconv.ParseFloat(m[1], 64); err != nil || got != want {
			t.Errorf("%s fires above %s, panels turn red at %v", alert, m[1], want)
		}
	}
}

func TestEveryAlertHasAPanel(t *testing.T) {
	if runbookBase != rules.RunbookBase {
		t.Errorf("runbooks are at %s, want %s", runbookBase, rules.RunbookBase)
	}
	shown := map[string]bool{}
	for _, d := range all(t) {
		for _, p := range d.Panels {
			for _, l := range p.Links {
				shown[strings.TrimPrefix(l.URL, runbookBase)] = true
			}
		}
	}
	exprs := alertExprs(t)
	for alert := range exprs {
		if !shown[alert] {
			t.Errorf("no panel links to the runbook of %s", alert)
		}
	}
	for alert := range shown {
		if _, ok := exprs[alert]; !ok {
			t.Errorf("a panel links to the runbook of %s, which is no alert", alert)
		}
	}
}
