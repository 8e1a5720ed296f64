package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// subject is what an alert of the demo is about.
type subject struct {
	alert, label, value string
}

func (s subject) is(labels map[string]string) bool {
	return labels["alertname"] == s.alert && labels[s.label] == s.value
}

// seen is an alert as somebody sees it.
type seen struct {
	labels map[string]string
	state  string
}

// board keeps what one of the two says about alerts, and prints what changes.
type board struct {
	who      Who
	timeline *Timeline
	fetch    func(context.Context) ([]seen, error)

	mu      sync.Mutex
	now     map[string]seen
	changes []seen // every state that an alert came into
	err     error
	once    bool
}

const lookEvery = 200 * time.Millisecond

func (b *board) run(ctx context.Context) { every(ctx, b.look) }

// every calls look until ctx ends.
func every(ctx context.Context, look func(context.Context)) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *board) look(ctx context.Context) {
	list, err := b.fetch(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err = err; err != nil {
		return
	}
	b.once = true
	now := map[string]seen{}
	for _, s := range list {
		now[title(s.labels)] = s
	}
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if now[key].state != b.now[key].state {
			b.changes = append(b.changes, now[key])
			b.timeline.Say(b.who, key+": "+now[key].state)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.now)) {
		if _, ok := now[key]; !ok {
			b.timeline.Say(b.who, key+": over")
		}
	}
	b.now = now
}

// title names an alert by what tells it from its like.
func title(labels map[string]string) string {
	for _, label := range []string{"mountpoint", "instance"} {
		if v := labels[label]; v != "" {
			return fmt.Sprintf("%s (%s)", labels["alertname"], v)
		}
	}
	return labels["alertname"]
}

// mark is the place in its changes that came reaches back to.
func (b *board) mark() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.changes)
}

// came returns an error unless the alert has come into the state since the mark, even if it has left it again.
func (b *board) came(s subject, state string, since int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.changes[since:] {
		if s.is(one.labels) && one.state == state {
			return nil
		}
	}
	if b.err != nil {
		return b.err
	}
	return fmt.Errorf("%s sees %s", b.who, b.all())
}

// gone returns an error while the alert is there in any state.
func (b *board) gone(s subject) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	for _, one := range b.now {
		if s.is(one.labels) {
			return fmt.Errorf("%s sees it as %s", b.who, one.state)
		}
	}
	return nil
}

// none returns an error while there is any alert.
func (b *board) none() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return b.err
	case !b.once:
		return fmt.Errorf("%s has not answered yet", b.who)
	case len(b.now) > 0:
		return fmt.Errorf("%s sees %s", b.who, b.all())
	}
	return nil
}

func (b *board) all() string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(b.now)) {
		list = append(list, key+" "+b.now[key].state)
	}
	if len(list) == 0 {
		return "no alert"
	}
	return strings.Join(list, ", ")
}

// promAlerts asks for the series ALERTS: of the demo's own alerts, and of any other that fires. That another one is pending, as
// on a busy machine, is no fault.
func promAlerts(base string) func(context.Context) ([]seen, error) {
	mine := fmt.Sprintf(`ALERTS{alertname=~%q} or ALERTS{alertname!="Watchdog", alertstate="firing"}`, strings.Join(slices.Collect(maps.Keys(pace)), "|"))
	return func(ctx context.Context) ([]seen, error) {
		samples, err := query(ctx, base, mine)
		if err != nil {
			return nil, err
		}
		var list []seen
		for _, s := range samples {
			list = append(list, seen{s.Metric, s.Metric["alertstate"]})
		}
		// One that has just begun to fire is there in both states for a moment: the later word counts.
		slices.SortStableFunc(list, func(a, b seen) int { return strings.Compare(b.state, a.state) })
		return list, nil
	}
}

// sample is one series of an instant vector.
type sample struct {
	Metric map[string]string
	Value  [2]any
}

func query(ctx context.Context, base, expr string) ([]sample, error) {
	var answer struct{ Data struct{ Result []sample } }
	err := get(ctx, base+"/api/v1/query?query="+url.QueryEscape(expr), "", &answer)
	return answer.Data.Result, err
}

// managedAlerts asks Alertmanager's API.
func managedAlerts(base string) func(context.Context) ([]seen, error) {
	return func(ctx context.Context) ([]seen, error) {
		var alerts []struct {
			Labels map[string]string
			Status struct{ State string }
		}
		if err := get(ctx, base+"/api/v2/alerts", "", &alerts); err != nil {
			return nil, err
		}
		var list []seen
		for _, a := range alerts {
			if a.Labels["alertname"] != "Watchdog" {
				list = append(list, seen{a.Labels, a.Status.State})
			}
		}
		return list, nil
	}
}

// get reads a JSON answer.
func get(ctx context.Context, address, token string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", address, resp.Status, body)
	}
	return json.Unmarshal(body, into)
}
