// Command chronoops watches a web stack, repairs what can safely be repaired, and pages people if it could not.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

// notANumber is what the parser of arguments says about a wrong one, in Go's words.
var notANumber = regexp.MustCompile(`strconv\.\w+: parsing ("(?:[^"\\]|\\.)*"): invalid syntax`)

func main() { os.Exit(run(os.Args[1:], console{in: os.Stdin, out: os.Stdout, err: os.Stderr})) }

// run does one command and returns its exit code.
func run(args []string, con console) int {
	app, do := newApplication(con)
	name, err := app.Parse(args)
	if err != nil {
		printf(con.err, "chronoops: %s, try --help\n", notANumber.ReplaceAllString(err.Error(), "$1 is not a number"))
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return do[name](ctx)
}

// newApplication declares every command and flag.
func newApplication(con console) (*kingpin.Application, commands) {
	app := kingpin.New("chronoops", "Watches a web stack, repairs what can safely be repaired, and pages people if it could not.")
	app.Version(version.Print("chronoops"))
	app.HelpFlag.Short('h')
	app.UsageWriter(con.out)
	do := commands{}
	registerServe(app, do, con)
	registerCheck(app, do, con)
	registerIncident(app, do, con)
	registerAction(app, do, con)
	registerPause(app, do, con)
	registerVersion(app, do, con)
	return app, do
}

func registerVersion(app *kingpin.Application, do commands, con console) {
	cmd := app.Command("version", "Print the version.")
	do[cmd.FullCommand()] = func(context.Context) int {
		_, _ = fmt.Fprintln(con.out, version.Print("chronoops"))
		return exitFine
	}
}
