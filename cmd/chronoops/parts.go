package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/version"

	apicollector "github.com/chronoops/chronoops/collector/api"
	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/guard"
	"github.com/chronoops/chronoops/receiver/notify"
	"github.com/chronoops/chronoops/receiver/policy"
	"github.com/chronoops/chronoops/receiver/reconcile"
	"github.com/chronoops/chronoops/receiver/verify"
)

// parts are those of the receiver that a configuration determines. They are never changed; a reload makes new ones.
type parts struct {
	set           *policy.Set
	actions       actionSet
	notifier      *notify.Notifier
	alertmanagers reconcile.Alertmanagers
	prover        verify.Prover
	base          string // of links for people; "" if it is not configured
}

// newParts builds and checks everything; nothing is started.
func (c *config) newParts(o actionOptions, listen []string, threads notify.Threads) (*parts, error) {
	n, err := notify.New(notify.Options{
		Config: c.notifyConfig(), Instance: c.Instance.Name, ExternalURL: c.Instance.ExternalURL, Version: version.Version, Threads: threads, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	if c.Instance.ExternalURL != "" {
		listen = append(slices.Clone(listen), c.Instance.ExternalURL)
	}
	if err := n.Validate(listen); err != nil {
		return nil, err
	}
	p := &parts{set: c.policySet(), actions: c.actions(o), notifier: n, base: c.Instance.ExternalURL}
	p.alertmanagers = reconcile.Alertmanagers{BySource: map[string][]reconcile.Alertmanager{}, IgnoreLabels: c.Receiver.IgnoreLabels}
	for _, peer := range c.Targets.Alertmanager {
		client, err := commoncfg.NewClientFromConfig(peer.HTTP, "alertmanager")
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", peer.Name, err)
		}
		for _, source := range c.Receiver.Sources {
			for _, name := range source.Alertmanagers {
				if name == peer.Name {
					p.alertmanagers.BySource[source.Name] = append(p.alertmanagers.BySource[source.Name],
						reconcile.Alertmanager{Name: peer.Name, URL: peer.URL, Client: client})
				}
			}
		}
	}
	p.prover = verify.Prover{Probes: probes{c.Targets.API}}
	if len(c.Targets.Prometheus) > 0 {
		peer := c.Targets.Prometheus[0]
		client, err := commoncfg.NewClientFromConfig(peer.HTTP, "prometheus")
		if err != nil {
			return nil, fmt.Errorf("target %s: %w", peer.Name, err)
		}
		p.prover.Prometheus = verify.Prometheus{URL: peer.URL, Client: client}
	}
	return p, nil
}

// probes verifies repairs by the probes of the configured API targets.
type probes struct{ targets []apiTarget }

type apiTarget = apicollector.Config

// Probe implements verify.Prober by the target's first probe.
func (p probes) Probe(ctx context.Context, name string) error {
	for _, t := range p.targets {
		if t.Name != name {
			continue
		}
		options, err := t.ProbeOptions()
		if err != nil {
			return fmt.Errorf("%w: %w", action.ErrUnknown, err)
		}
		switch result := apicollector.Probe(ctx, options[0]); result.State {
		case apicollector.Up, apicollector.Degraded:
			return nil
		case apicollector.Limited:
			return fmt.Errorf("%w: the target limits requests (429)", action.ErrUnknown)
		default:
			if result.Err != nil {
				return result.Err
			}
			return errors.New("the target is down")
		}
	}
	return fmt.Errorf("%w: no such target under targets.api", action.ErrUnknown)
}

// current is the parts in force, for what outlives a reload.
type current struct{ atomic.Pointer[parts] }

// Policies returns the policies in force.
func (c *current) Policies() *policy.Set { return c.Load().set }

// Get implements engine.Actions.
func (c *current) Get(name string) (action.Action, bool) { return c.Load().actions.registry.Get(name) }

// Channels implements engine.Pager.
func (c *current) Channels(role string) (ids []string) {
	for _, ch := range c.Load().notifier.Channels(role) {
		ids = append(ids, ch.ID)
	}
	return ids
}

// Send implements engine.Pager.
func (c *current) Send(ctx context.Context, channel string, n receiver.Notice) error {
	return c.Load().notifier.Send(ctx, channel, n)
}

// Lookup implements engine.Alertmanager.
func (c *current) Lookup(ctx context.Context, source string, labels map[string]string) (guard.LiveState, error) {
	return c.Load().alertmanagers.Lookup(ctx, source, labels)
}

// Prove implements engine.Prover.
func (c *current) Prove(ctx context.Context, v policy.Verify) error {
	return c.Load().prover.Prove(ctx, v)
}

func discardLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }
