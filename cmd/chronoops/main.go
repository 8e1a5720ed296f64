// Command chronoops watches a web stack, repairs what can safely be repaired, and pages people if it could not.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

func main() { os.Exit(execute(os.Args[1:])) }

func execute(args []string) int {
	app := kingpin.New("chronoops", "Watches a web stack, repairs what can safely be repaired, and pages people if it could not.")
	app.Version(version.Print("chronoops"))
	app.HelpFlag.Short('h')
	app.UsageWriter(os.Stdout)
	con := console{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	run := commands{}
	registerServe(app, run, con)
	registerCheck(app, run, con)
	registerIncident(app, run, con)
	registerAction(app, run, con)
	registerPause(app, run, con)
	registerVersion(app, run, con)
	name, err := app.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "chronoops: %v; try `chronoops --help`\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run[name](ctx)
}

func registerVersion(app *kingpin.Application, run commands, con console) {
	cmd := app.Command("version", "Print the version.")
	run[cmd.FullCommand()] = func(context.Context) int {
		_, _ = fmt.Fprintln(con.out, version.Print("chronoops"))
		return exitFine
	}
}
