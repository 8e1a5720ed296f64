package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chronoops/chronoops/collector/host/hosttest"
	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
)

// peersVar names the environment variable with the folder whose programs are measured in place of the prepared ones.
const peersVar = "PEERS_DIR"

// arena starts programs and what they watch. What was started for one contest serves the later ones.
type arena struct {
	chronoops string
	scrapes   int
	log       io.Writer
	named     []string // paths of programs that are in the log

	large    []string // flags of the made-up machine; nil before it is written
	postgres *postgresTarget
	redis    *redisTarget
	api      *apiTarget
	cleanups []func() error
}

// close stops what the contests left running.
func (a *arena) close() error {
	var errs []error
	for _, f := range slices.Backward(a.cleanups) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// find returns the program of an entry: of PEERS_DIR, else of PATH, else of the cache.
func (a *arena) find(name string) (parts.Program, error) {
	if name == "chronoops" {
		return parts.Program{Path: a.chronoops}, nil
	}
	peers := os.Getenv(peersVar)
	if peers != "" {
		if _, err := os.ReadDir(peers); err != nil {
			return parts.Program{}, fmt.Errorf("%s: %w", peersVar, err)
		}
	}
	// Debian's packages name their programs otherwise.
	debian := "prometheus-" + strings.ReplaceAll(name, "_", "-")
	for _, n := range []string{name, debian} {
		if peers != "" {
			path := filepath.Join(peers, n)
			if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
				return parts.Program{Path: path}, nil
			}
		}
	}
	for _, n := range []string{name, debian} {
		if path, err := exec.LookPath(n); err == nil {
			return parts.Program{Path: path}, nil
		}
	}
	p, err := parts.Find(name)
	if err != nil {
		p, err = parts.Find(debian)
	}
	return p, err
}

// start runs an entry.
func (a *arena) start(ctx context.Context, e entry) (*contender, error) {
	program, err := a.find(e.name)
	if err != nil {
		return nil, err
	}
	s, err := stack.StartExporter(ctx, stack.ExporterOptions{Name: e.name, Program: program, Args: e.args, Env: e.env, Files: e.files})
	if err != nil {
		return nil, err
	}
	if !slices.Contains(a.named, program.Path) {
		a.named = append(a.named, program.Path)
		fmt.Fprintf(a.log, "%s is %s\n", e.name, program.Path)
	}
	path := e.path
	if path == "" {
		path = "/metrics"
	}
	return newContender(e.name, program.Path, s, path), nil
}

// largeHost writes the files of a large machine, and returns the flags to read them.
func (a *arena) largeHost() ([]string, error) {
	if a.large != nil {
		return a.large, nil
	}
	dir, cleanup, err := stack.TempDir("large")
	if err != nil {
		return nil, err
	}
	a.cleanups = append(a.cleanups, func() error { cleanup(); return nil })
	fmt.Fprintln(a.log, "Writing the files of a large machine")
	paths, err := hosttest.Large(dir, hosttest.Size{CPUs: 256, Disks: 200, Interfaces: 500, Mounts: 2000})
	if err != nil {
		return nil, err
	}
	a.large = paths.Flags()
	return a.large, nil
}
