package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/api"
)

// actionCommand looks at repairs and runs them for a person.
type actionCommand struct {
	*client
	policy  string
	step    int
	labels  map[string]string
	yes     bool
	wait    time.Duration
	attempt int64
}

func registerAction(app *kingpin.Application, run commands, con console) {
	parent := app.Command("action", "Look at repairs, and run them yourself.")
	c := &actionCommand{client: newClient(parent, con), labels: map[string]string{}}

	list := parent.Command("list", "List the configured repairs, the kinds of actions, and the latest runs.")
	run[list.FullCommand()] = c.list

	show := parent.Command("show", "Show one attempt.")
	show.Arg("attempt", "Number of the attempt.").Required().Int64Var(&c.attempt)
	run[show.FullCommand()] = c.show

	plan := c.repair(parent, "plan", "Show what a configured repair would do now. Nothing is changed.")
	run[plan.FullCommand()] = c.plan

	do := c.repair(parent, "run", "Run a configured repair: show the plan, ask, run exactly that plan, and wait for the outcome.")
	do.Flag("yes", "Do not ask.").BoolVar(&c.yes)
	do.Flag("wait", "How long to wait for the outcome.").Default("30m").DurationVar(&c.wait)
	run[do.FullCommand()] = c.run
}

func (c *actionCommand) repair(parent *kingpin.CmdClause, name, help string) *kingpin.CmdClause {
	cmd := parent.Command(name, help)
	cmd.Arg("policy", "Name of the policy that configures the repair.").Required().StringVar(&c.policy)
	cmd.Flag("step", "Which step of the policy's repair, counted from 1.").Default("1").IntVar(&c.step)
	cmd.Flag("label", "A label as the alert would have it, such as mountpoint=/var. Can be given several times.").StringMapVar(&c.labels)
	return cmd
}

func (c *actionCommand) list(ctx context.Context) int {
	var (
		actions  api.Actions
		attempts []api.Attempt
	)
	if _, err := c.call(ctx, http.MethodGet, "api/v1/attempts?limit=10", nil, &attempts); err != nil {
		return c.fail(err)
	}
	return c.get(ctx, "api/v1/actions", &actions, func() {
		c.pausedNote(ctx)
		printRepairs(c.out, actions)
		printKinds(c.out, actions)
		printLatest(c.out, attempts)
	})
}

func printRepairs(w io.Writer, actions api.Actions) {
	if len(actions.Repairs) == 0 {
		printf(w, "No policy configures a repair.\n")
		return
	}
	printf(w, "Repairs (the receiver's mode is %s)\n", actions.Mode.String())
	var rows [][]string
	for _, r := range actions.Repairs {
		target := r.Resource
		if target == "" {
			target = "(" + r.Note + ")"
		}
		rows = append(rows, []string{"  " + r.Policy, fmt.Sprintf("%d of %d", r.Step+1, r.Steps), r.Action, r.Mode.String(), target})
	}
	table(w, []string{"  POLICY", "STEP", "ACTION", "MODE", "TARGET"}, rows)
}

func printKinds(w io.Writer, actions api.Actions) {
	printf(w, "\nKinds of actions\n")
	for _, k := range actions.Kinds {
		printf(w, "  %s\n    %s\n    Needs: %s\n", k.Name, k.Doc, k.Privilege)
	}
}

func printLatest(w io.Writer, attempts []api.Attempt) {
	if len(attempts) == 0 {
		return
	}
	printf(w, "\nLatest attempts\n")
	var rows [][]string
	for _, a := range attempts {
		whom := a.By
		if a.Incident != 0 {
			whom = fmt.Sprintf("incident %d", a.Incident)
		}
		rows = append(rows, []string{"  " + strconv.FormatInt(a.ID, 10), when(a.Created), a.Action, a.Resource, string(a.State), whom})
	}
	table(w, []string{"  ID", "TIME", "ACTION", "TARGET", "STATE", "FOR"}, rows)
}

func (c *actionCommand) show(ctx context.Context) int {
	var a api.Attempt
	return c.get(ctx, fmt.Sprintf("api/v1/attempts/%d", c.attempt), &a, func() { printAttempt(c.out, a) })
}

func (c *actionCommand) wanted() api.PlanRequest {
	return api.PlanRequest{Policy: c.policy, Step: c.step - 1, Labels: c.labels}
}

func (c *actionCommand) plan(ctx context.Context) int {
	planned, raw, err := c.ask(ctx)
	if err == nil && c.json() {
		err = writeJSON(c.out, raw)
	}
	if err != nil {
		return c.fail(err)
	}
	if !c.json() {
		printPlanned(c.out, planned)
	}
	return exitFine
}

// ask lets the server plan.
func (c *actionCommand) ask(ctx context.Context) (planned api.Planned, raw json.RawMessage, err error) {
	if c.step < 1 {
		return planned, nil, &api.Error{Status: http.StatusBadRequest, Text: "--step counts from 1"}
	}
	raw, err = c.call(ctx, http.MethodPost, "api/v1/actions/plan", c.wanted(), &planned)
	return planned, raw, err
}

func printPlanned(w io.Writer, p api.Planned) {
	if p.Plan == nil {
		printf(w, "%s\n", p.Text)
		return
	}
	printPlan(w, *p.Plan, p.Hash)
}

func (c *actionCommand) run(ctx context.Context) int {
	planned, raw, err := c.ask(ctx)
	if err != nil {
		return c.fail(err)
	}
	printPlanned(c.err, planned)
	if planned.Plan == nil {
		if c.json() {
			if err := writeJSON(c.out, raw); err != nil {
				return c.fail(err)
			}
		}
		return exitFine
	}
	if !c.yes && !c.confirm("Run exactly this plan?") {
		printf(c.err, "chronoops: not run\n")
		return exitFailed
	}
	var started api.Started
	_, err = c.call(ctx, http.MethodPost, "api/v1/actions/run", api.RunRequest{PlanRequest: c.wanted(), Hash: planned.Hash, By: c.by}, &started)
	if err != nil {
		return c.fail(err)
	}
	printf(c.err, "%s\n", started.Text)
	return c.follow(ctx, started.Attempt)
}

// follow waits for the outcome of an attempt and tells each change of state.
func (c *actionCommand) follow(ctx context.Context, id int64) int {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	var told receiver.AttemptState
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		var a api.Attempt
		raw, err := c.call(ctx, http.MethodGet, fmt.Sprintf("api/v1/attempts/%d", id), nil, &a)
		switch {
		case ctx.Err() != nil:
			return c.fail(fmt.Errorf("no outcome yet; it goes on at the server: see `chronoops action show %d`", id))
		case err != nil:
			// The server may be the very thing that is being restarted.
			if _, ok := errors.AsType[*unreachableError](err); !ok {
				return c.fail(err)
			}
		case a.State.Final():
			return c.ended(a, raw)
		case a.State != told:
			told = a.State
			printf(c.err, "%s %s\n", time.Now().Format(time.TimeOnly), string(a.State))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// ended shows the outcome; only what is proven counts as success.
func (c *actionCommand) ended(a api.Attempt, raw json.RawMessage) int {
	if c.json() {
		if err := writeJSON(c.out, raw); err != nil {
			return c.fail(err)
		}
	} else {
		text := string(a.State)
		if a.Guard != "" {
			text += " by guard " + a.Guard
		}
		printf(c.out, "attempt %d: %s: %s\n", a.ID, text, a.Reason)
	}
	if a.State != receiver.AttemptVerified {
		return exitFailed
	}
	return exitFine
}
