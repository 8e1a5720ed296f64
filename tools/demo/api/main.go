// Command api is the small HTTP API of the demo: a process that can die, hang on a dependency, and be restarted.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

var errUsage = errors.New(`want serve, restart or reload:
  serve    answer requests until the owner is gone
  restart  end the process of the pid file, start another in a session of its own, and write its number there
  reload   have the process of the pid file read its settings again`)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	var o options
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&o.name, "name", "api", "name of this API")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "address")
	flags.StringVar(&o.needs, "needs", "", "address that must answer for this API to be healthy")
	flags.StringVar(&o.owner, "owner", "", "socket of the program whose end is also the end of this API")
	flags.StringVar(&o.pidFile, "pid-file", "", "holds the number of the process")
	flags.StringVar(&o.logFile, "log-file", os.DevNull, "where a restarted process logs")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "serve":
		return serve(o)
	case "restart":
		return restart(o)
	case "reload":
		return reload(o)
	}
	return errUsage
}

type options struct {
	name, listen, needs, owner, pidFile, logFile string
}
