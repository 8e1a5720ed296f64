package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	"github.com/rogpeppe/go-internal/testscript"
)

// commandBlocks are the commands of a README that are marked to be tested.
func commandBlocks(t *testing.T, doc string) (lines []string) {
	t.Helper()
	parts := strings.Split(doc, "<!-- test -->\n```sh\n")
	for _, part := range parts[1:] {
		block, _, ok := strings.Cut(part, "```")
		if !ok {
			t.Fatal("a block does not end")
		}
		for line := range strings.Lines(block) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// TestReadmeCommands runs the commands in their order against the server that `make run` starts.
func TestReadmeCommands(t *testing.T) {
	var script strings.Builder
	for _, line := range commandBlocks(t, readDoc(t, readme)) {
		rest, ours := strings.CutPrefix(line, "bin/chronoops ")
		switch {
		case ours:
			script.WriteString("exec chronoops " + rest + "\n")
		case strings.HasPrefix(line, "curl "):
			script.WriteString(line + "\n")
		default:
			t.Fatalf("%s: how is this to be tested?", line)
		}
	}
	if strings.Count(script.String(), "\n") < 5 {
		t.Fatal("hardly anything is marked to be tested")
	}
	file := filepath.Join(t.TempDir(), "readme.txtar")
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: []string{file}, RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			if err := os.CopyFS(filepath.Join(env.WorkDir, "deploy"), os.DirFS(inRepository("deploy"))); err != nil {
				return err
			}
			address, storage, stop, err := startReal(env.WorkDir)
			if err != nil {
				return err
			}
			env.Defer(stop)
			env.Setenv("CHRONOOPS_URL", address)
			env.Setenv("STATE_DIRECTORY", storage)
			env.Values["address"] = address
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"curl": curl},
	})
}

// startReal starts what `make run` starts, on a free port.
func startReal(dir string) (address, storage string, stop func(), err error) {
	f := &serveFlags{}
	app := kingpin.New("chronoops", "")
	f.register(app.Command("serve", "").Default(), app)
	storage = filepath.Join(dir, "state")
	if _, err := app.Parse([]string{
		"--config.file=" + inRepository("deploy/chronoops/chronoops.yml"), "--web.listen-address=127.0.0.1:0", "--storage.path=" + storage,
	}); err != nil {
		return "", "", nil, err
	}
	s := &server{f: f, log: promslog.New(&promslog.Config{Writer: io.Discard}), out: io.Discard, getenv: noEnvironment}
	s.registry, s.own = newRegistry(true)
	if err := s.start(context.Background()); err != nil {
		return "", "", nil, err
	}
	listeners, err := s.listen()
	if err != nil {
		return "", "", nil, err
	}
	server := httptest.NewServer(listeners[0].http.Handler)
	return server.URL, storage, func() {
		server.Close()
		s.stop(nil)
	}, nil
}

// curl does what the README's calls of curl do: curl -fsS [-H HEADER] URL [-d BODY].
func curl(ts *testscript.TestScript, _ bool, args []string) {
	method, address, body := http.MethodGet, "", ""
	header := http.Header{}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-fsS":
		case "-H":
			i++
			name, value, _ := strings.Cut(args[i], ": ")
			header.Set(name, value)
		case "-d":
			i++
			method, body = http.MethodPost, args[i]
		default:
			address = strings.Replace(args[i], "http://127.0.0.1:9847", ts.Value("address").(string), 1)
		}
	}
	req, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(body))
	ts.Check(err)
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	ts.Check(err)
	if res.StatusCode/100 != 2 || len(text) == 0 {
		ts.Fatalf("%s %s: %s\n%s", method, address, res.Status, text)
	}
}

// TestReadmeEndpoints: each path in the table of endpoints is served.
func TestReadmeEndpoints(t *testing.T) {
	address, _, stop, err := startReal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	path := regexp.MustCompile("`(/[^`?]*)")
	checked := 0
	for _, row := range rows(tableAfter(t, "| endpoint | what |")) {
		for _, m := range path.FindAllStringSubmatch(row[0], -1) {
			res, err := http.Get(address + strings.Replace(m[1], "ALERT", "ApiDown", 1))
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Body.Close(); err != nil {
				t.Error(err)
			}
			if res.StatusCode == http.StatusNotFound {
				t.Errorf("%s leads nowhere", m[1])
			}
			checked++
		}
	}
	if checked < 10 {
		t.Errorf("only %d paths were found", checked)
	}
}

// TestReadmeFlags: each flag in the text is one of a command's, and each target of make is there.
func TestReadmeFlags(t *testing.T) {
	var known []string
	app, _ := newApplication(discardConsole())
	var walk func(flags []*kingpin.FlagModel, commands []*kingpin.CmdModel)
	walk = func(flags []*kingpin.FlagModel, commands []*kingpin.CmdModel) {
		for _, f := range flags {
			known = append(known, f.Name, "no-"+f.Name)
		}
		for _, c := range commands {
			walk(c.Flags, c.Commands)
		}
	}
	walk(app.Model().Flags, app.Model().Commands)
	makefile := readDoc(t, "Makefile")
	flagName := regexp.MustCompile("[` ]--([a-z][a-z0-9._-]*)")
	target := regexp.MustCompile("(?:`|\n)make ([a-z]+)")
	for _, file := range []string{readme, readmeChinese, "CONTRIBUTING.md", "SECURITY.md"} {
		doc := readDoc(t, file)
		for _, m := range flagName.FindAllStringSubmatch(doc, -1) {
			name := strings.TrimSuffix(m[1], ".")
			if name != "collector." && name != "no-collector." && name != "now" && name != "collector" && name != "no-collector" && !slices.Contains(known, name) {
				t.Errorf("%s: there is no flag --%s", file, name)
			}
		}
		for _, m := range target.FindAllStringSubmatch(doc, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s: there is no `make %s`", file, m[1])
			}
		}
	}
}

func tableAfter(t *testing.T, header string) string {
	t.Helper()
	_, rest, ok := strings.Cut(readDoc(t, readme), header)
	if !ok {
		t.Fatalf("there is no table %q", header)
	}
	table, _, _ := strings.Cut(rest, "\n\n")
	return header + table
}
