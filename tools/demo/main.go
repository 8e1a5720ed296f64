// Command demo breaks a real stack on loopback four ways and watches chronoops repair it, or page people.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/tools/demo/scenario"
)

func main() { os.Exit(run()) }

func run() int {
	program := flag.String("chronoops", "", "the chronoops to run; built from source if not given")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	columns := terminal(os.Stdout)
	t := scenario.NewTimeline(os.Stdout, columns > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", columns)
	err := scenario.Run(ctx, scenario.Options{Timeline: t, Chronoops: *program})
	failure, _ := errors.AsType[*scenario.StepError](err)
	switch {
	case err == nil:
		t.Say(scenario.Demo, fmt.Sprintf("all four faults went as they should, in %s; nothing is left behind", t.Elapsed().Round(time.Second)))
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "demo: interrupted; everything is stopped and removed")
		return 130
	case failure != nil:
		fmt.Fprintln(os.Stderr, failure.Logs)
	}
	fmt.Fprintf(os.Stderr, "\ndemo: FAILED after %s\n%v\n", t.Elapsed().Round(time.Second), err)
	return 1
}

// terminal returns the columns of a terminal, or 0 for anything else.
func terminal(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return max(1, int(size.Col))
}
