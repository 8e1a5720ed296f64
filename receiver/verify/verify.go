// Package verify looks at a target from outside, to prove that a repair has worked.
package verify

import (
	"context"
	"fmt"

	"github.com/chronoops/chronoops/receiver/action"
	"github.com/chronoops/chronoops/receiver/policy"
)

// Prober probes a configured target by name. An error that wraps action.ErrUnknown means that it could not tell.
type Prober interface {
	Probe(ctx context.Context, target string) error
}

// Querier asks Prometheus whether an expression holds. Errors are as those of a Prober.
type Querier interface {
	Holds(ctx context.Context, expr string) error
}

// Prover proves repairs by the means that a policy names.
type Prover struct {
	Probes     Prober
	Prometheus Querier // nil when none is configured
}

// Prove looks once by every means that v names; without any it has nothing to say against the repair.
func (p Prover) Prove(ctx context.Context, v policy.Verify) error {
	if v.Probe != "" {
		if err := p.Probes.Probe(ctx, v.Probe); err != nil {
			return fmt.Errorf("probe %s: %w", v.Probe, err)
		}
	}
	if v.PromQL != "" {
		if p.Prometheus == nil {
			return fmt.Errorf("%w by PromQL: no Prometheus is configured under targets.prometheus", action.ErrUnknown)
		}
		if err := p.Prometheus.Holds(ctx, v.PromQL); err != nil {
			return fmt.Errorf("query %s: %w", v.PromQL, err)
		}
	}
	return nil
}
