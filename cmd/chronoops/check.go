package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	if err == nil {
		err = c.checkFiles(con.err)
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
	list, ignored, err := c.targets(nil, "", log)
	defer closeUnused(list, nil)
	if err != nil {
		return err
	}
	if len(ignored) > 0 {
		return errors.Join(ignored...)
	}
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
	var problems []problem
	addCredentials(func(text string, path ...any) { problems = append(problems, problem{path: path, text: text}) },
		c.checkListener(receiverOptions{basicAuth: basic, clientCerts: certificates}))
	if len(problems) > 0 {
		return c.doc.report(problems)
	}
	_, err = c.newParts(actionOptions{Logger: log}, nil, nil)
	return err
}

// checkFiles reads the files of credentials. One that is not there, or not for this user, is only mentioned: the check may
// run elsewhere than the server.
func (c *config) checkFiles(warnings io.Writer) error {
	var missing, wrong []problem
	fault := func(err error, text string, path ...any) {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			missing = append(missing, problem{path: path, text: "warning: " + text})
		} else {
			wrong = append(wrong, problem{path: path, text: text})
		}
	}
	check := func(file string, path ...any) {
		if file == "" {
			return
		}
		key := path[len(path)-1]
		if b, err := os.ReadFile(file); err != nil {
			fault(err, fmt.Sprintf("%s cannot be read: %v", key, err), path...)
		} else if len(bytes.TrimSpace(b)) == 0 {
			fault(nil, fmt.Sprintf("%s: %s is empty", key, file), path...)
		}
	}
	for i, p := range c.Targets.Postgres {
		check(p.DSNFile, "targets", "postgres", i, "dsn_file")
	}
	for i, r := range c.Targets.Redis {
		check(r.URLFile, "targets", "redis", i, "url_file")
		check(r.PasswordFile, "targets", "redis", i, "password_file")
		check(r.Nodes.PasswordFile, "targets", "redis", i, "nodes", "password_file")
	}
	for i, a := range c.Targets.API {
		check(a.AuthorizationFile, "targets", "api", i, "authorization_file")
	}
	if c.Receiver != nil {
		for i, p := range c.Receiver.Postgres {
			check(p.DSNFile, "receiver", "postgres", i, "dsn_file")
		}
		check(c.Receiver.Heartbeat.URLFile, "receiver", "heartbeat", "url_file")
		for _, err := range split(c.Receiver.ReadSecrets()) {
			addCredentials(func(text string, path ...any) { fault(err, text, path...) }, err)
		}
	}
	if err := c.doc.report(missing); err != nil {
		_, _ = fmt.Fprintln(warnings, err)
	}
	return c.doc.report(wrong)
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
