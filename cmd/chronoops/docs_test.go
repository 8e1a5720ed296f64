package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/collector"
	apicollector "github.com/chronoops/chronoops/collector/api"
	"github.com/chronoops/chronoops/collector/host"
	pgcollector "github.com/chronoops/chronoops/collector/postgres"
	rediscollector "github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/receiver/action"
)

var update = flag.Bool("update", false, "write generated documentation and expected messages again")

const (
	readme        = "README.md"
	readmeChinese = "README.zh-CN.md"
	exampleConfig = "deploy/chronoops/example.yml"
)

// inRepository is the path of a file from this package's folder.
func inRepository(name string) string { return filepath.Join("..", "..", name) }

func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(inRepository(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// compareDoc holds a file to its generated text, or writes it with -update.
func compareDoc(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(inRepository(name), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, readDoc(t, name)); diff != "" {
		t.Errorf("%s is out of date, run `make generate` (-want +got):\n%s", name, diff)
	}
}

// region returns what stands between the marks of a generated part.
func region(t *testing.T, doc, name string) (before, inside, after string) {
	t.Helper()
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
	before, rest, ok := strings.Cut(doc, begin)
	inside, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("the marks of %q are missing", name)
	}
	return before + begin, inside, end + after
}

func compareRegion(t *testing.T, file, name, want string) {
	t.Helper()
	before, _, after := region(t, readDoc(t, file), name)
	compareDoc(t, file, before+want+after)
}

// rows returns the cells of a Markdown table's body.
func rows(table string) (cells [][]string) {
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		var row []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			row = append(row, strings.TrimSpace(cell))
		}
		cells = append(cells, row)
	}
	return cells[min(2, len(cells)):]
}

func markdownRow(cells ...string) string {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.ReplaceAll(c, "|", `\|`), "\n", " ")
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func code(texts ...string) string {
	var out []string
	for _, s := range texts {
		out = append(out, "`"+s+"`")
	}
	return strings.Join(out, " ")
}

type kindOfTarget struct {
	name  string
	parts []collector.Part
}

func kindsOfTargets() []kindOfTarget {
	return []kindOfTarget{
		{"host", host.Parts()}, {"postgres", pgcollector.Parts()}, {"redis", rediscollector.Parts()}, {"api", apicollector.Parts()},
	}
}

func collectorTable(header string) string {
	var out strings.Builder
	out.WriteString(header)
	for _, k := range kindsOfTargets() {
		var on, off, prefixes []string
		for _, p := range k.parts {
			if p.Default {
				on = append(on, p.Name)
			} else {
				off = append(off, p.Name)
			}
			for _, f := range p.Families {
				prefix, _, _ := strings.Cut(f.Name, "_")
				prefixes = append(prefixes, prefix+"_*")
			}
		}
		slices.Sort(prefixes)
		prefixes = slices.DeleteFunc(slices.Compact(prefixes), func(p string) bool { return p == "chronoops_*" })
		dash := code(off...)
		if len(off) == 0 {
			dash = "–"
		}
		out.WriteString(markdownRow(code(k.name), code(on...), dash, code(prefixes...)))
	}
	return out.String()
}

func TestReadmeCollectors(t *testing.T) {
	compareRegion(t, readme, "collectors", collectorTable("| collector | parts | off by default | metrics |\n| --- | --- | --- | --- |\n"))
	compareRegion(t, readmeChinese, "collectors", collectorTable("| 采集器 | 分项 | 默认关闭 | 指标 |\n| --- | --- | --- | --- |\n"))
}

func specs(t *testing.T) []action.Spec {
	t.Helper()
	c := &config{}
	return c.actions(actionOptions{Logger: discardLogger()}).registry.Specs()
}

func TestReadmeActions(t *testing.T) {
	yes := func(b bool, yes, no string) string {
		if b {
			return yes
		}
		return no
	}
	var want strings.Builder
	want.WriteString("| action | what it does | needs | idempotent |\n| --- | --- | --- | --- |\n")
	var names [][2]string
	for _, s := range specs(t) {
		want.WriteString(markdownRow(code(s.Name), s.Doc, s.Privilege, yes(s.Idempotent, "yes", "no")))
		names = append(names, [2]string{code(s.Name), yes(s.Idempotent, "是", "否")})
	}
	compareRegion(t, readme, "actions", want.String())

	// The Chinese sentences are written by people; the names and the facts are not.
	_, inside, _ := region(t, readDoc(t, readmeChinese), "actions")
	var got [][2]string
	for _, row := range rows(inside) {
		got = append(got, [2]string{row[0], row[len(row)-1]})
	}
	if diff := cmp.Diff(names, got); diff != "" {
		t.Errorf("actions of %s (-want +got):\n%s", readmeChinese, diff)
	}
}

var comment = regexp.MustCompile(`(?m)[ \t]*(^|\s)#.*$`)

// withoutComments leaves what the program reads.
func withoutComments(text string) string {
	var out strings.Builder
	for line := range strings.Lines(comment.ReplaceAllString(text, "")) {
		if line = strings.TrimRight(line, " \t\n"); line != "" {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

func TestReadmeConfiguration(t *testing.T) {
	example := readDoc(t, exampleConfig)
	compareRegion(t, readme, "configuration", "```yaml\n"+example+"```\n")
	_, inside, _ := region(t, readDoc(t, readmeChinese), "configuration")
	translated := strings.TrimSuffix(strings.TrimPrefix(inside, "```yaml\n"), "```\n")
	if diff := cmp.Diff(withoutComments(example), withoutComments(translated)); diff != "" {
		t.Errorf("the configuration of %s, without comments (-want +got):\n%s", readmeChinese, diff)
	}
	c, err := load(withSecrets(t, inRepository(exampleConfig)), noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.checkBuild(""); err != nil {
		t.Fatal(err)
	}
	if !c.policySet().Armed() || len(c.Contacts) == 0 {
		t.Error("the example shows no armed policy or no contact")
	}
	if _, err := load(inRepository("deploy/chronoops/chronoops.yml"), noEnvironment); err != nil {
		t.Error(err)
	}
}

// outline is what two translations must have in common.
type outline struct {
	Headings []int // their levels
	Blocks   []string
	Tables   []string // columns and rows
	Links    []string
}

var (
	heading = regexp.MustCompile(`^(#+) `)
	link    = regexp.MustCompile(`\]\(([^)]+)\)`)
)

func outlineOf(doc string) (o outline) {
	var block *strings.Builder
	table, width := 0, 0
	for line := range strings.Lines(doc) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "```"):
			if block == nil {
				block = &strings.Builder{}
				block.WriteString(trimmed + "\n")
			} else {
				o.Blocks = append(o.Blocks, withoutComments(block.String()))
				block = nil
			}
			continue
		case block != nil:
			block.WriteString(line)
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			o.Headings = append(o.Headings, len(m[1]))
		}
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			if !strings.HasPrefix(m[1], "#") && !strings.Contains(m[1], "README") {
				o.Links = append(o.Links, m[1])
			}
		}
		if strings.HasPrefix(trimmed, "|") {
			table, width = table+1, len(rows("||\n||\n" + line)[0])
		} else if table > 0 {
			o.Tables = append(o.Tables, fmt.Sprintf("%d columns, %d rows", width, table-2))
			table = 0
		}
	}
	slices.Sort(o.Links)
	return o
}

// TestReadmesAreInStep holds the two READMEs to the same headings, commands, tables and links.
func TestReadmesAreInStep(t *testing.T) {
	english, chinese := outlineOf(readDoc(t, readme)), outlineOf(readDoc(t, readmeChinese))
	english.Blocks = slices.DeleteFunc(english.Blocks, isDiagram)
	chinese.Blocks = slices.DeleteFunc(chinese.Blocks, isDiagram)
	if diff := cmp.Diff(english, chinese); diff != "" {
		t.Errorf("%s and %s differ (-English +Chinese):\n%s", readme, readmeChinese, diff)
	}
	for _, file := range []string{readme, readmeChinese, "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} {
		for _, m := range link.FindAllStringSubmatch(readDoc(t, file), -1) {
			name, _, _ := strings.Cut(m[1], "#")
			if name == "" || strings.Contains(name, "://") {
				continue
			}
			if _, err := os.Stat(inRepository(name)); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
}

func isDiagram(block string) bool { return strings.HasPrefix(block, "```text\n") }

func discardConsole() console {
	return console{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
}

// withSecrets copies a configuration beside files for every secret that it names.
func withSecrets(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for n, m := range regexp.MustCompile(`_file: (secrets/[a-z-]+)`).FindAllStringSubmatch(string(text), -1) {
		file := filepath.Join(dir, m[1])
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, fmt.Appendf(nil, "a-long-enough-secret-%d", n), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(dir, "example.yml")
	if err := os.WriteFile(copied, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}
