package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/action/command"
	"github.com/chronoops/chronoops/receiver/action/files"
	"github.com/chronoops/chronoops/receiver/action/postgres"
	"github.com/chronoops/chronoops/receiver/action/systemd"
)

const postgresTerminateIdle = "postgres.terminate_idle"

// actionOptions are what actions need besides the configuration.
type actionOptions struct {
	Protected []string // paths that nothing may be deleted in
	Logger    *slog.Logger
}

// actionSet is the list of actions for one configuration. Each one allows exactly what configured steps name.
type actionSet struct {
	registry *action.Registry
	sessions *postgres.TerminateIdle // to be run, so that it holds its sessions
	servers  []string                // the targets that it holds them to
}

// actions lists every action.
func (c *config) actions(o actionOptions) actionSet {
	var (
		servers  []string
		roots    []string
		units    []string
		commands []command.Command
	)
	c.eachStep(func(name string, p action.Params) {
		switch {
		case name == postgresTerminateIdle:
			servers = append(servers, p.String("target"))
		case name == "files.clean":
			roots = append(roots, p.Strings("roots")...)
		case name == "command":
			commands = append(commands, command.FromParams(p))
		case strings.HasPrefix(name, "systemd."):
			units = append(units, p.String("unit"))
		}
	})
	slices.Sort(servers)
	servers = slices.Compact(servers)
	sessions := postgres.New(postgres.Options{Targets: c.repairSessions(servers), Logger: o.Logger})
	list := []action.Action{
		sessions,
		files.New(files.Options{Roots: roots, Protected: o.Protected}),
		command.New(command.Options{Commands: commands}),
	}
	list = append(list, systemd.New(systemd.Options{Units: units})...)
	return actionSet{registry: action.NewRegistry(list...), sessions: sessions, servers: servers}
}

// eachStep calls fn with the static parameters of every configured step; steps that are not valid name nothing.
func (c *config) eachStep(fn func(name string, p action.Params)) {
	if c.Receiver == nil {
		return
	}
	specs := map[string]action.Spec{}
	for _, a := range append([]action.Action{postgres.New(postgres.Options{}), files.New(files.Options{}), command.New(command.Options{})},
		systemd.New(systemd.Options{})...) {
		specs[a.Spec().Name] = a.Spec()
	}
	for _, p := range c.Receiver.Policies {
		for _, step := range p.Repair {
			if params, err := specs[step.Action].Static(step.With); err == nil {
				fn(step.Action, params)
			}
		}
	}
}

// repairSessions are the connections for repairs of the servers that steps name: their own where configured, else those
// of the collector. No other server is given a session to keep.
func (c *config) repairSessions(servers []string) map[string]postgres.DSN {
	targets := map[string]postgres.DSN{}
	for _, t := range c.Targets.Postgres {
		if slices.Contains(servers, t.Name) {
			targets[t.Name] = dsn(string(t.DSN), t.DSNFile)
		}
	}
	if c.Receiver == nil {
		return targets
	}
	for _, s := range c.Receiver.Postgres {
		if slices.Contains(servers, s.Target) {
			targets[s.Target] = dsn(string(s.DSN), s.DSNFile)
		}
	}
	return targets
}

func dsn(text, file string) postgres.DSN {
	return func(context.Context) (string, error) {
		if file == "" {
			return text, nil
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read dsn_file: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
}
