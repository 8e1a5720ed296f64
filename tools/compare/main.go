// Command compare measures chronoops beside the exporters that it stands in for, on the same targets.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	chronoops := flag.String("chronoops", "bin/chronoops", "the chronoops to measure")
	out := flag.String("out", "dist/compare", "folder for compare.md and compare.json")
	scrapes := flag.Int("scrapes", 200, "scrapes of each program; a contest on a large target makes a quarter of them")
	only := flag.String("contests", "", "names of the contests to hold, with commas between them; all if empty")
	flag.Parse()
	if *scrapes < 1 {
		return errors.New("-scrapes must be at least 1")
	}
	path, err := filepath.Abs(*chronoops)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w: run `make build`, or name another with -chronoops", err)
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	forgetEnvironment()
	a := &arena{chronoops: path, scrapes: *scrapes, log: os.Stderr}
	defer func() { err = errors.Join(err, a.close()) }()
	r := report{Machine: thisMachine(), Scrapes: *scrapes}
	var failed []error
	for _, c := range chosen {
		result, err := a.hold(ctx, c)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.name, err))
			continue
		}
		r.Contests = append(r.Contests, result)
	}
	if err := r.write(*out, os.Stdout); err != nil {
		return err
	}
	return errors.Join(failed...)
}

// choose returns the contests of those names.
func choose(names string) ([]contest, error) {
	if names == "" {
		return contests, nil
	}
	var chosen []contest
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, c := range contests {
			if c.name == name {
				chosen, found = append(chosen, c), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no contest is called %q", name)
		}
	}
	return chosen, nil
}

// forgetEnvironment takes out what would give a program another target, or its runtime other settings.
func forgetEnvironment() {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		for _, prefix := range []string{"PG", "DATABASE_URL", "DATA_SOURCE_", "REDIS_", "API_URL", "CHRONOOPS_URL", "STATE_DIRECTORY"} {
			if strings.HasPrefix(name, prefix) {
				os.Unsetenv(name)
			}
		}
		switch name {
		case "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GODEBUG":
			os.Unsetenv(name)
		}
	}
}
