package collector

import (
	"context"
	"errors"
	"log/slog"
	"slices"
)

// logFailures logs what began to fail, fails otherwise than before, or works again. Parts that were not reported on say
// nothing new beside one that failed, such as the connection to a target that is down.
func (u *Unit) logFailures(res *result) {
	u.logFailure("", res.err)
	explained := rank(res.err) == failed || slices.ContainsFunc(res.reports, func(r report) bool { return r.ran && rank(r.err) == failed })
	for i, r := range res.reports {
		if r.ran || !explained && errors.Is(r.err, errNotReported) {
			u.logFailure(u.parts[i].Name, r.err)
		}
	}
}

// logFailure logs how a part did, or the collector, whose name is "".
func (u *Unit) logFailure(part string, err error) {
	was, outcome := u.failing[part], rank(err)
	if outcome == failed {
		u.failing[part] = err
	} else if was != nil {
		delete(u.failing, part)
	}
	still := outcome == failed && was != nil && was.Error() == err.Error()
	if outcome == succeeded && was == nil || (still || outcome == hadNothing) && !u.log.Enabled(context.Background(), slog.LevelDebug) {
		return // the way of nearly every scrape, for which nothing must be allocated
	}
	log := u.log
	if part != "" {
		log = log.With("part", part)
	}
	p := (*panicError)(nil)
	switch {
	case outcome == hadNothing:
		log.Debug("Nothing of this kind to collect", "err", err)
	case outcome == succeeded:
		log.Info("Collection works again")
	case still:
		log.Debug("Collection still fails", "err", err)
	case errors.As(err, &p):
		log.Error("Collector panicked; its samples are dropped", "err", err, "stack", string(p.stack))
	default:
		log.Error("Collection failed", "err", err)
	}
}
