package main

import (
	"context"
	"fmt"
	"os"

	"github.com/alecthomas/kingpin/v2"
)

func registerCheck(app *kingpin.Application, do commands, con console) {
	check := app.Command("check", "Check without changing anything.")
	cmd := check.Command("config", "Check a configuration file, and say file, line and what to do.")
	file := cmd.Arg("file", "Configuration file.").Required().String()
	webConfig := cmd.Flag("web.config.file", "The listener's own configuration, if the server runs with one.").String()
	do[cmd.FullCommand()] = func(context.Context) int {
		return checkConfig(*file, *webConfig, con)
	}
}

func checkConfig(file, webConfig string, con console) int {
	c, err := load(file, os.Getenv)
	if err == nil {
		err = c.checkBuild(webConfig)
	}
	if err != nil {
		_, _ = fmt.Fprintln(con.err, err)
		return exitFailed
	}
	_, _ = fmt.Fprintf(con.out, "%s: OK: %s\n", file, c.describe())
	return exitFine
}

// checkBuild builds everything that a start would build, and starts nothing.
func (c *config) checkBuild(webConfig string) error {
	log := discardLogger()
	list, err := c.targets(nil, "", log)
	if err != nil {
		return err
	}
	defer closeUnused(list, nil)
	if _, err := newExposition(nil, list, nil, selection{}, log); err != nil {
		return err
	}
	if _, err := newFreeHandler(c.Probe, nil, log); err != nil {
		return err
	}
	if c.Receiver == nil {
		return nil
	}
	basic, certificates, err := webConfigAuth(webConfig)
	if err != nil {
		return err
	}
	if err := c.checkListener(receiverOptions{basicAuth: basic, clientCerts: certificates}); err != nil {
		return err
	}
	_, err = c.newParts(actionOptions{Logger: log}, nil, nil)
	return err
}

// describe says in a line what the configuration amounts to.
func (c *config) describe() string {
	t := c.Targets
	text := fmt.Sprintf("%d target(s)", len(t.Postgres)+len(t.Redis)+len(t.API))
	if c.Receiver == nil {
		return text + ", no receiver"
	}
	armed := "nothing is armed"
	if c.policySet().Armed() {
		armed = "repairs are armed"
	}
	return fmt.Sprintf("%s, receiver in mode %s with %d policies and %d contact(s); %s", text, c.Receiver.Mode, len(c.Receiver.Policies), len(c.Contacts), armed)
}
