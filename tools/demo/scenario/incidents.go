package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/chronoops/chronoops/receiver/api"
)

// incidents keeps what chronoops says, and prints every timeline as it grows.
type incidents struct {
	url, token string
	timeline   *Timeline

	mu      sync.Mutex
	known   map[int64]api.Detail
	printed map[int64]int // events of each incident
	err     error
}

func newIncidents(url, storage string, t *Timeline) (*incidents, error) {
	token, err := api.ReadToken(api.OperatorFile(storage))
	return &incidents{url: url, token: token, timeline: t, known: map[int64]api.Detail{}, printed: map[int64]int{}}, err
}

func (i *incidents) run(ctx context.Context) { every(ctx, i.look) }

func (i *incidents) look(ctx context.Context) {
	var list []api.Incident
	if err := i.get(ctx, "incidents", &list); err != nil {
		i.failed(err)
		return
	}
	for _, one := range list {
		var d api.Detail
		if err := i.get(ctx, fmt.Sprintf("incidents/%d", one.ID), &d); err != nil {
			i.failed(err)
			return
		}
		i.put(d)
	}
	i.failed(nil)
}

func (i *incidents) failed(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.err = err
}

func (i *incidents) put(d api.Detail) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known[d.Incident.ID] = d
	for _, e := range d.Timeline[min(i.printed[d.Incident.ID], len(d.Timeline)):] {
		i.timeline.Say(Chronoops, fmt.Sprintf("incident %d  %s: %s", d.Incident.ID, e.Kind, firstLine(e.Text)))
	}
	i.printed[d.Incident.ID] = len(d.Timeline)
}

// firstLine leaves out the details of what an action did.
func firstLine(text string) string {
	first, rest, more := strings.Cut(text, "\n")
	if !more {
		return first
	}
	return fmt.Sprintf("%s … (%d more lines)", first, 1+strings.Count(rest, "\n"))
}

func (i *incidents) get(ctx context.Context, path string, into any) error {
	var answer api.Answer
	if err := get(ctx, i.url+"/api/v1/"+path, i.token, &answer); err != nil {
		return err
	}
	return json.Unmarshal(answer.Data, into)
}

// about finds the incident that an alert opened.
func (i *incidents) about(s subject) (api.Detail, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, d := range i.known {
		for _, e := range d.Episodes {
			if s.is(e.Labels) {
				return d, nil
			}
		}
	}
	if i.err != nil {
		return api.Detail{}, i.err
	}
	return api.Detail{}, fmt.Errorf("chronoops has %d incidents, and none about %s", len(i.known), s.alert)
}

// all returns every incident.
func (i *incidents) all() (list []api.Detail) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, d := range i.known {
		list = append(list, d)
	}
	return list
}

// after looks for an entry of a timeline behind another, by kind and a part of its text, and returns the place behind it.
func after(d api.Detail, from int, kind, part string) (int, error) {
	var kinds []string
	for n, e := range d.Timeline {
		if n >= from && e.Kind == kind && strings.Contains(e.Text, part) {
			return n + 1, nil
		}
		kinds = append(kinds, fmt.Sprintf("\n    %s: %s", e.Kind, e.Text))
	}
	return 0, errors.New("the timeline is" + strings.Join(kinds, ""))
}
