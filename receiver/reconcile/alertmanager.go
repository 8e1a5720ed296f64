// Package reconcile holds what the receiver believes against Alertmanager's own API.
package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/chronoops/chronoops/receiver/guard"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 32 << 20

// Alertmanager is one Alertmanager's API.
type Alertmanager struct {
	Name   string
	URL    string // without /api/v2
	Client *http.Client
}

// Alertmanagers answers for the sources, each of which may have several peers.
type Alertmanagers struct {
	BySource     map[string][]Alertmanager
	IgnoreLabels []string // not part of an alert's identity
}

// Lookup says how a source's Alertmanagers see an alert now. One that has it decides; that it is absent must be said by all.
func (a Alertmanagers) Lookup(ctx context.Context, source string, set map[string]string) (guard.LiveState, error) {
	peers := a.BySource[source]
	if len(peers) == 0 {
		return "", fmt.Errorf("source %q names no Alertmanager: add `alertmanagers: [...]` to it and the address under targets.alertmanager", source)
	}
	var errs []error
	suppressed := false
	for _, peer := range peers {
		state, err := peer.lookup(ctx, set, a.IgnoreLabels)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", peer.Name, err))
		case state == guard.LiveActive:
			return guard.LiveActive, nil
		case state == guard.LiveSuppressed:
			suppressed = true
		}
	}
	if suppressed {
		return guard.LiveSuppressed, nil
	}
	if len(errs) > 0 {
		return "", errors.Join(errs...)
	}
	return guard.LiveAbsent, nil
}

func (a Alertmanager) lookup(ctx context.Context, set map[string]string, ignore []string) (guard.LiveState, error) {
	query := url.Values{"active": {"true"}, "silenced": {"true"}, "inhibited": {"true"}, "unprocessed": {"true"}}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if slices.Contains(ignore, name) {
			continue
		}
		m, err := labels.NewMatcher(labels.MatchEqual, name, set[name])
		if err != nil {
			return "", fmt.Errorf("match label %s: %w", name, err)
		}
		query.Add("filter", m.String())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(a.URL, "/")+"/api/v2/alerts?"+query.Encode(), nil)
	if err != nil {
		return "", errors.New("the URL of Alertmanager is not valid")
	}
	resp, err := a.Client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the address, which may hold a password
		}
		return "", fmt.Errorf("ask Alertmanager: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ask Alertmanager: it answered %s", resp.Status)
	}
	var alerts []struct {
		Labels map[string]string
		Status struct{ State string }
	}
	dec := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer))
	if err := dec.Decode(&alerts); err != nil {
		return "", fmt.Errorf("read Alertmanager's answer: %w", err)
	}
	// An absent alert proves a repair: what is no list, such as null, must not pass for an empty one.
	if _, err := dec.Token(); alerts == nil || !errors.Is(err, io.EOF) {
		return "", errors.New("read Alertmanager's answer: it is not one list of alerts")
	}
	state := guard.LiveAbsent
	for _, alert := range alerts {
		if !same(alert.Labels, set, ignore) {
			continue
		}
		if alert.Status.State != "suppressed" {
			return guard.LiveActive, nil
		}
		state = guard.LiveSuppressed
	}
	return state, nil
}

// same compares two label sets; a filter alone would also find alerts with further labels.
func same(a, b map[string]string, ignore []string) bool {
	drop := func(name, _ string) bool { return slices.Contains(ignore, name) }
	a, b = maps.Clone(a), maps.Clone(b)
	maps.DeleteFunc(a, drop)
	maps.DeleteFunc(b, drop)
	return maps.Equal(a, b)
}
