package parts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

const modulePath = "github.com/chronoops/chronoops"

// builtPart is a module pinned by a go.mod of its own below tools/, and the commands to build of it.
type builtPart struct {
	name     string // the folder below tools/
	module   string
	commands []string // relative to the module; "." is the module itself
	tags     string
	// stub is a file, relative to the module, that its released source lacks and its build demands.
	stub string
}

var builtParts = []builtPart{
	// The tag leaves out discovery of clouds, one of whose modules cannot be had.
	{name: "prometheus", module: "github.com/prometheus/prometheus", commands: []string{"cmd/prometheus", "cmd/promtool"}, tags: "remove_all_sd"},
	{name: "alertmanager", module: "github.com/prometheus/alertmanager", commands: []string{"cmd/alertmanager"}, stub: "ui/app/dist/index.html"},
	{name: "node_exporter", module: "github.com/prometheus/node_exporter", commands: []string{"."}},
}

// recipe changes whenever the way of building does, so that older results are not taken for current ones.
const recipe = "1"

func (b builtPart) programs() []string {
	var names []string
	for _, c := range b.commands {
		names = append(names, b.program(c))
	}
	return names
}

// program is the name of what a command becomes, the same as `go install` gives it.
func (b builtPart) program(command string) string { return path.Base(path.Join(b.module, command)) }

// dir is the folder of the results, named by a hash over everything that decides them.
func (b builtPart) dir(cache string) (string, error) {
	src, err := b.source()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %+v\n", recipe, b)
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(src, name))
		if err != nil {
			return "", err
		}
		h.Write(data)
	}
	return filepath.Join(cache, b.name+"-"+hex.EncodeToString(h.Sum(nil))[:12]), nil
}

func (b builtPart) source() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "tools", b.name), nil
}

func (b builtPart) find(name string) (Program, error) {
	cache, err := cacheDir()
	if err != nil {
		return Program{}, err
	}
	dir, err := b.dir(cache)
	if err != nil {
		return Program{}, err
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return Program{}, fmt.Errorf("%s is not built: %s", name, hint)
	}
	return Program{Path: path}, nil
}

// prepare builds the part's commands unless they are there.
func (b builtPart) prepare(ctx context.Context, out io.Writer, cache string) error {
	dir, err := b.dir(cache)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	tmp, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	src, err := b.source()
	if err != nil {
		return err
	}
	if b.stub != "" {
		// The path decides what Go's build cache knows, so it is a fixed one.
		scratch := filepath.Join(cache, b.name+"-source")
		defer os.RemoveAll(scratch)
		if err := b.withStub(ctx, src, scratch); err != nil {
			return fmt.Errorf("lay out %s: %w", b.module, err)
		}
		src = scratch
	}
	results := filepath.Join(tmp, "bin")
	for _, c := range b.commands {
		fmt.Fprintf(out, "Building %s from its module; this takes minutes the first time\n", b.program(c))
		start := time.Now()
		if err := b.build(ctx, src, c, results); err != nil {
			return fmt.Errorf("build %s: %w", b.program(c), err)
		}
		fmt.Fprintf(out, "Built %s in %s\n", b.program(c), time.Since(start).Round(time.Second))
	}
	if err := os.Chmod(results, 0o755); err != nil {
		return err
	}
	return os.Rename(results, dir)
}

func (b builtPart) build(ctx context.Context, src, command, results string) error {
	_, err := run(goCommand(ctx, src, "build", "-p", "2", "-tags", b.tags, "-ldflags", "-s -w",
		"-o", filepath.Join(results, b.program(command)), path.Join(b.module, command)))
	return err
}

// withStub copies the pinned module to scratch, adds the missing file, and writes a go.mod that builds from the copy: Go's
// overlays do not reach into its module cache.
func (b builtPart) withStub(ctx context.Context, src, scratch string) error {
	if _, err := run(goCommand(ctx, src, "mod", "download", b.module)); err != nil {
		return err
	}
	dir, err := run(goCommand(ctx, src, "list", "-m", "-f", "{{.Dir}}", b.module))
	if err != nil {
		return err
	}
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	module := filepath.Join(scratch, "module")
	if err := copyTree(module, strings.TrimSpace(dir)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(module, b.stub)), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(module, b.stub), []byte("<!doctype html>\n"), 0o644); err != nil {
		return err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(src, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(scratch, name), data, 0o644); err != nil {
			return err
		}
	}
	_, err = run(goCommand(ctx, scratch, "mod", "edit", "-replace", b.module+"=./module"))
	return err
}

// copyTree copies the regular files below src, writable whatever they were.
func copyTree(dst, src string) error {
	return filepath.WalkDir(src, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		target := filepath.Join(dst, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(target, data, 0o644)
		}
		return nil
	})
}

// goCommand runs the go tool in a nested module: without C, so that no compiler is needed and the results are static.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "PWD="+dir)
	return cmd
}

// moduleRoot walks up from the working directory to this module's go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module "+modulePath+"\n") {
			return dir, nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the source of " + modulePath + " is not above the working directory: run this inside the source tree")
		}
		dir = filepath.Dir(dir)
	}
}
