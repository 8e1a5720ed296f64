package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/incident"
)

func printIncident(w io.Writer, d api.Detail) {
	i := d.Incident
	printf(w, "Incident %d  %s\n", i.ID, i.Title)
	fields := [][2]string{
		{"Priority", i.Priority.String()},
		{"State", state(i, d.Now)},
		{"Opened", when(i.Opened)},
		{"Source", i.Source},
	}
	acked := i.Open() && i.Ack != nil && d.Now.Before(i.Ack.Until)
	if acked {
		fields = append(fields, [2]string{"Acked", fmt.Sprintf("by %s until %s", i.Ack.By, when(i.Ack.Until))})
	}
	if !i.Open() {
		fields = append(fields, [2]string{"Resolved", fmt.Sprintf("%s, after %s", when(i.Resolved), i.Resolved.Sub(i.Opened).Truncate(time.Second))})
	}
	if len(i.Ladder.Levels) > 0 {
		fields = append(fields, [2]string{"Level", fmt.Sprintf("%d of %d", i.Level, len(i.Ladder.Levels))})
	}
	for _, f := range fields {
		printf(w, "  %-9s %s\n", f[0], f[1])
	}
	printAlerts(w, d.Episodes)
	printAttempts(w, d.Attempts)
	printPages(w, d.Pages)
	printf(w, "\nTimeline\n")
	for _, e := range d.Timeline {
		printf(w, "  %s  %-10s %s  (%s)\n", when(e.At), e.Kind, e.Text, e.Actor)
	}
	if !i.Open() {
		return
	}
	printf(w, "\n")
	for _, id := range i.Approvals {
		printf(w, "A plan waits for approval: chronoops incident approve %d --attempt %d\n", i.ID, id)
	}
	if !acked {
		printf(w, "To say that you are on it: chronoops incident ack %d\n", i.ID)
	}
}

func printAlerts(w io.Writer, list []receiver.Episode) {
	printf(w, "\nAlerts\n")
	for _, e := range list {
		state := "firing"
		if !e.Firing() {
			state = "resolved " + when(e.Resolved)
		}
		printf(w, "  %s\n    %s, since %s, repair %s\n", incident.Describe(e.Labels), state, when(e.Opened), string(e.Repair))
		for _, name := range []string{"summary", "description", "runbook_url"} {
			if text := e.Annotations[name]; text != "" {
				printf(w, "    %s: %s\n", name, text)
			}
		}
	}
}

func printAttempts(w io.Writer, list []api.Attempt) {
	if len(list) == 0 {
		return
	}
	printf(w, "\nRepairs\n")
	for _, a := range list {
		printAttempt(w, a)
	}
}

func printAttempt(w io.Writer, a api.Attempt) {
	on := ""
	if a.Resource != "" {
		on = " on " + a.Resource
	}
	printf(w, "  %d  %s%s: %s (policy %s step %d, mode %s)\n", a.ID, a.Action, on, string(a.State), a.Policy, a.Step+1, a.Mode.String())
	for _, f := range [][2]string{
		{"guard", a.Guard}, {"reason", a.Reason}, {"result", a.Result}, {"asked for by", a.By}, {"approved by", a.Approved},
	} {
		if f[1] != "" {
			printf(w, "    %s: %s\n", f[0], f[1])
		}
	}
	if a.Plan == nil {
		return
	}
	printf(w, "    plan: %s\n", a.Plan.Summary)
	for _, step := range a.Plan.Steps {
		printf(w, "      %s\n", step)
	}
}

func printPages(w io.Writer, list []receiver.Page) {
	if len(list) == 0 {
		return
	}
	printf(w, "\nPages\n")
	var rows [][]string
	for _, p := range list {
		at, note := p.Sent, p.Error
		if at.IsZero() {
			at = p.Created
		}
		if note == "" {
			note = p.Why
		}
		rows = append(rows, []string{"  " + when(at), string(p.Kind), strconv.Itoa(p.Level), string(p.State), p.Channel, p.Role, note})
	}
	table(w, []string{"  TIME", "KIND", "LEVEL", "STATE", "CHANNEL", "ROLE", "NOTE"}, rows)
}

func printPlan(w io.Writer, p receiver.Plan, hash string) {
	printf(w, "%s on %s: %s\n", p.Action, p.Resource, p.Summary)
	for _, step := range p.Steps {
		printf(w, "  %s\n", step)
	}
	printf(w, "Plan %s\n", hash)
}
