// Command chronoops watches a web stack, repairs what can safely be repaired, and pages people if it could not.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // findings, or it did not work
	exitUsage   = 2
)

func main() { os.Exit(run(os.Args[1:])) }

// environment is what a command may use of the world around it.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// command does one subcommand and returns the exit code.
type command func(ctx context.Context, env environment) int

func run(args []string) int {
	app := kingpin.New("chronoops", "Watches a web stack, repairs what can safely be repaired, and pages people if it could not.")
	app.Version(version.Print("chronoops"))
	app.HelpFlag.Short('h')
	app.UsageWriter(os.Stdout)
	commands := map[string]command{}
	registerServe(app, commands)
	registerCheck(app, commands)
	registerClient(app, commands)
	registerVersion(app, commands)
	name, err := app.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "chronoops: %v; try `chronoops --help`\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return commands[name](ctx, environment{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv})
}

func registerVersion(app *kingpin.Application, commands map[string]command) {
	cmd := app.Command("version", "Print the version.")
	commands[cmd.FullCommand()] = func(_ context.Context, env environment) int {
		_, _ = fmt.Fprintln(env.stdout, version.Print("chronoops"))
		return exitOK
	}
}
