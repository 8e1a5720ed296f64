// Command prepare gets what the tests and the demo need and is not on this machine: servers from Debian's packages,
// Prometheus and Alertmanager from their modules. It changes nothing outside its cache.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/chronoops/chronoops/tools/parts"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := parts.Prepare(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}
