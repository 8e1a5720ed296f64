package engine

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/incident"
)

const (
	noticeAlerts = 5 // alerts named in a page
	noticeEvents = 8 // last entries of the timeline in a page
)

// notice writes what a page says from what the store knows now.
func (e *Engine) notice(tx Tx, i receiver.Incident, page receiver.Page) (receiver.Notice, error) {
	episodes, err := tx.Episodes(i.ID)
	if err != nil {
		return receiver.Notice{}, err
	}
	attempts, err := tx.Attempts(i.ID)
	if err != nil {
		return receiver.Notice{}, err
	}
	events, err := tx.Events(i.ID)
	if err != nil {
		return receiver.Notice{}, err
	}
	n := receiver.Notice{
		ID: strconv.FormatInt(page.ID, 10), Incident: i.ID, Kind: page.Kind, Priority: page.Priority, Level: page.Level,
		Title: i.Title, Labels: i.GroupLabels, Since: i.Opened, Now: tx.Now(), Repeated: page.Repeated,
	}
	if page.Why != "" {
		n.Facts = append(n.Facts, receiver.Fact{Name: "Why now", Value: page.Why})
	}
	firing := slices.DeleteFunc(slices.Clone(episodes), func(ep receiver.Episode) bool { return !ep.Firing() })
	shown := firing
	if page.Kind.Closes() {
		shown = episodes
	}
	n.Facts = append(n.Facts, receiver.Fact{Name: "Alerts", Value: fmt.Sprintf("%d firing of %d", len(firing), len(episodes))})
	for k, ep := range shown {
		if k == 0 {
			n.Summary = summary(ep)
		}
		if k == noticeAlerts {
			n.Facts = append(n.Facts, receiver.Fact{Name: "And", Value: fmt.Sprintf("%d more", len(shown)-k)})
			break
		}
		n.Facts = append(n.Facts, receiver.Fact{Name: "Alert", Value: incident.Describe(ep.Labels)})
	}
	if len(attempts) > 0 {
		a := attempts[len(attempts)-1]
		value := fmt.Sprintf("%s: %s", a.Action, a.State)
		if a.Reason != "" {
			value += ", " + a.Reason
		}
		n.Facts = append(n.Facts, receiver.Fact{Name: "Repair", Value: value})
	}
	if link := e.o.Link(i.ID); link != "" {
		n.Links = append(n.Links, receiver.Link{Text: fmt.Sprintf("Incident %d", i.ID), URL: link})
	}
	n.Links = append(n.Links, links(shown)...)
	for _, ev := range events[max(0, len(events)-noticeEvents):] {
		n.Timeline = append(n.Timeline, ev.At.Format(time.TimeOnly)+" "+ev.Kind+": "+ev.Text)
	}
	return n, nil
}

func summary(ep receiver.Episode) string {
	for _, name := range []string{"summary", "description", "message"} {
		if text := ep.Annotations[name]; text != "" {
			return text
		}
	}
	return incident.Describe(ep.Labels)
}

// links are those that a rule's author has given, of the first alert only.
func links(shown []receiver.Episode) (list []receiver.Link) {
	if len(shown) == 0 {
		return nil
	}
	ep := shown[0]
	for _, l := range []receiver.Link{
		{Text: "Runbook", URL: ep.Annotations["runbook_url"]},
		{Text: "Dashboard", URL: ep.Annotations["dashboard_url"]},
		{Text: "Query", URL: ep.URL},
	} {
		if l.URL != "" {
			list = append(list, l)
		}
	}
	return list
}
