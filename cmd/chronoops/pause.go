package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver/api"
)

// pauseFile is the file in the storage folder that stops every repair while it exists, whatever it holds.
func pauseFile(storage string) string { return filepath.Join(storage, "pause") }

// stopFile looks for the pause file of a storage folder.
func stopFile(storage string) func() (path string, err error) {
	name := pauseFile(storage)
	return func() (string, error) {
		switch _, err := os.Lstat(name); {
		case err == nil:
			return name, nil
		case errors.Is(err, fs.ErrNotExist):
			return "", nil
		default:
			return "", fmt.Errorf("look for pause file: %w", err)
		}
	}
}

// pauseCommand stops repairs and lets them go on.
type pauseCommand struct {
	*client
	lasts  model.Duration
	target string
	reason string
}

func registerPause(app *kingpin.Application, run commands, con console) {
	cmd := app.Command("pause", "Stop repairs, of one target or of all; pages go on.")
	pause := &pauseCommand{client: newClient(cmd, con)}
	cmd.Flag("for", "How long, such as 2h. Default: until somebody resumes.").SetValue(&pause.lasts)
	cmd.Flag("target", "One target only, as `chronoops action list` names it, such as postgres/main.").StringVar(&pause.target)
	cmd.Flag("reason", "Why, for those who wonder.").StringVar(&pause.reason)
	run[cmd.FullCommand()] = pause.pause

	cmd = app.Command("resume", "Let repairs go on.")
	resume := &pauseCommand{client: newClient(cmd, con)}
	cmd.Flag("target", "End the pause of this target only. Default: every pause.").StringVar(&resume.target)
	run[cmd.FullCommand()] = resume.resume
}

func (c *pauseCommand) pause(ctx context.Context) int {
	err := c.post(ctx, "api/v1/pause", api.PauseRequest{For: c.lasts, Target: c.target, Reason: c.reason, By: c.by})
	if err == nil {
		return exitFine
	}
	code := c.fail(err)
	if _, ok := errors.AsType[*unreachableError](err); ok && api.Loopback(c.url) {
		c.byFile()
	}
	return code
}

// byFile says how to pause without the server's help.
func (c *pauseCommand) byFile() {
	name, err := filepath.Abs(pauseFile(c.storage))
	if err != nil {
		name = pauseFile(c.storage)
	}
	printf(c.err, "To stop every repair without asking the server, create this file in its storage folder:\n    touch '%s'\n", name)
	if info, err := os.Stat(c.storage); err != nil || !info.IsDir() {
		printf(c.err, "There is no such folder here: name the server's with --storage.path.\n")
	}
	if c.target != "" {
		printf(c.err, "The file stops all repairs, not only those of %s.\n", c.target)
	}
	printf(c.err, "Repairs go on once it is removed.\n")
}

func (c *pauseCommand) resume(ctx context.Context) int {
	return c.postOnly(ctx, "api/v1/resume", api.ResumeRequest{Target: c.target, By: c.by})
}

// pausedNote tells above a table what stops repairs. It is no reason for the command to fail.
func (c *client) pausedNote(ctx context.Context) {
	var p api.Paused
	if _, err := c.call(ctx, http.MethodGet, "api/v1/pause", nil, &p); err != nil {
		return
	}
	if p.StopError != "" {
		printf(c.out, "Repairs are stopped: %s\n\n", p.StopError)
	}
	if p.StopFile != "" {
		printf(c.out, "Repairs are stopped by the file %s: remove it to go on.\n\n", p.StopFile)
	}
	for _, pause := range p.Pauses {
		what, until := "everything", ""
		if pause.Resource != "" {
			what = pause.Resource
		}
		if !pause.Until.IsZero() {
			until = " until " + when(pause.Until)
		}
		printf(c.out, "Repairs of %s are paused by %s%s: %s\n\n", what, pause.By, until, pause.Reason)
	}
}
