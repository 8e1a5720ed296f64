package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/api"
)

// incidentCommand looks at incidents and answers them.
type incidentCommand struct {
	*client
	all     bool
	limit   int
	id      int64
	lasts   model.Duration
	attempt int64
	hash    string
	reason  string
	yes     bool
}

func registerIncident(app *kingpin.Application, run commands, con console) {
	parent := app.Command("incident", "Look at incidents, and answer them.")
	c := &incidentCommand{client: newClient(parent, con)}

	list := parent.Command("list", "List the open incidents, newest first.")
	list.Flag("all", "List resolved incidents too.").BoolVar(&c.all)
	list.Flag("limit", "Show at most this many.").Default("50").IntVar(&c.limit)
	run[list.FullCommand()] = c.list

	show := c.one(parent, "show", "Show an incident with its repairs, pages and timeline.")
	run[show.FullCommand()] = c.show

	ack := c.one(parent, "ack", "Say that you are on it: nobody else is paged for what it shows now.")
	ack.Flag("for", "How long, such as 1h. Default: the configured time.").SetValue(&c.lasts)
	run[ack.FullCommand()] = c.ack

	resolve := c.one(parent, "resolve", "Close an incident whose alerts have cleared, but whose repair could not be proven.")
	run[resolve.FullCommand()] = c.resolve

	approve := c.one(parent, "approve", "Approve a plan that waits for a person, exactly as it is shown.")
	c.proposal(approve)
	approve.Flag("yes", "Do not ask.").BoolVar(&c.yes)
	run[approve.FullCommand()] = c.approve

	reject := c.one(parent, "reject", "Reject a plan that waits for a person.")
	c.proposal(reject)
	run[reject.FullCommand()] = c.reject
}

func (c *incidentCommand) one(parent *kingpin.CmdClause, name, help string) *kingpin.CmdClause {
	cmd := parent.Command(name, help)
	cmd.Arg("incident", "Number of the incident.").Required().Int64Var(&c.id)
	return cmd
}

func (c *incidentCommand) proposal(cmd *kingpin.CmdClause) {
	cmd.Flag("attempt", "Number of the attempt. Default: the only one that waits.").Int64Var(&c.attempt)
	cmd.Flag("hash", "Hash of a plan seen before: refuse if the plan is another one now.").StringVar(&c.hash)
	cmd.Flag("reason", "A reason for the timeline.").StringVar(&c.reason)
}

func (c *incidentCommand) path(verb string) string {
	return fmt.Sprintf("api/v1/incidents/%d%s", c.id, verb)
}

func (c *incidentCommand) list(ctx context.Context) int {
	var incidents []api.Incident
	path := fmt.Sprintf("api/v1/incidents?open=%t&limit=%d", !c.all, c.limit)
	return c.get(ctx, path, &incidents, func() {
		c.pausedNote(ctx)
		if len(incidents) == 0 {
			none := "No incident is open."
			if c.all {
				none = "There has been no incident yet."
			}
			printf(c.out, "%s\n", none)
			return
		}
		var rows [][]string
		for _, i := range incidents {
			rows = append(rows, []string{
				strconv.FormatInt(i.ID, 10), i.Priority.String(), state(i, time.Now()), strconv.Itoa(i.Firing), strconv.Itoa(i.Level), when(i.Opened), i.Title,
			})
		}
		table(c.out, []string{"ID", "PRIO", "STATE", "FIRING", "LEVEL", "OPENED", "TITLE"}, rows)
	})
}

// state says in a few words how an incident stands.
func state(i api.Incident, now time.Time) string {
	switch {
	case !i.Open():
		return "resolved (" + i.ResolvedBy + ")"
	case len(i.Approvals) > 0:
		return fmt.Sprintf("approval wanted (attempt %d)", i.Approvals[0])
	case i.Ack != nil && now.Before(i.Ack.Until):
		return "acked by " + i.Ack.By
	case i.Held:
		return "open, pages held"
	}
	return "open"
}

func (c *incidentCommand) show(ctx context.Context) int {
	var d api.Detail
	return c.get(ctx, c.path(""), &d, func() {
		c.pausedNote(ctx)
		printIncident(c.out, d)
	})
}

func (c *incidentCommand) ack(ctx context.Context) int {
	return c.postOnly(ctx, c.path("/ack"), api.AckRequest{By: c.by, For: c.lasts})
}

func (c *incidentCommand) resolve(ctx context.Context) int {
	return c.postOnly(ctx, c.path("/resolve"), api.ResolveRequest{By: c.by})
}

// find returns the attempt that the person means, as the server shows it now.
func (c *incidentCommand) find(ctx context.Context) (api.Attempt, error) {
	var d api.Detail
	if _, err := c.call(ctx, http.MethodGet, c.path(""), nil, &d); err != nil {
		return api.Attempt{}, err
	}
	id := c.attempt
	if id == 0 {
		switch waiting := d.Incident.Approvals; len(waiting) {
		case 0:
			return api.Attempt{}, fmt.Errorf("no plan of incident %d waits for approval: see `chronoops incident show %d`", c.id, c.id)
		case 1:
			id = waiting[0]
		default:
			return api.Attempt{}, fmt.Errorf("several plans wait for approval: choose one of the attempts %v with --attempt", waiting)
		}
	}
	n := slices.IndexFunc(d.Attempts, func(a api.Attempt) bool { return a.ID == id })
	if n < 0 {
		return api.Attempt{}, fmt.Errorf("incident %d has no attempt %d: see `chronoops incident show %d`", c.id, id, c.id)
	}
	a := d.Attempts[n]
	if c.hash != "" && c.hash != a.PlanHash {
		return api.Attempt{}, fmt.Errorf("the plan of attempt %d is not the one with that hash: look at it again", id)
	}
	return a, nil
}

func (c *incidentCommand) approve(ctx context.Context) int {
	a, err := c.find(ctx)
	if err != nil {
		return c.fail(err)
	}
	// One that does not wait is sent on all the same: the server says what became of it.
	if a.State == receiver.AttemptProposed && a.Plan != nil {
		printPlan(c.err, *a.Plan, a.PlanHash)
		if !c.yes && !c.confirm("Approve exactly this plan?") {
			printf(c.err, "chronoops: not approved\n")
			return exitFailed
		}
	}
	return c.answer(ctx, "/approve", a)
}

func (c *incidentCommand) reject(ctx context.Context) int {
	a, err := c.find(ctx)
	if err != nil {
		return c.fail(err)
	}
	return c.answer(ctx, "/reject", a)
}

func (c *incidentCommand) answer(ctx context.Context, verb string, a api.Attempt) int {
	return c.postOnly(ctx, c.path(verb), api.ApprovalRequest{Attempt: a.ID, Hash: a.PlanHash, Reason: c.reason, By: c.by})
}
