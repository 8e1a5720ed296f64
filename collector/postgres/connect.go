package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chronoops/chronoops/collector"
)

// longestPause is the most between two tries to connect to a server that accepts and never answers. Each such try may
// leave a backend behind that waits for a lock on a system catalog and does not notice that we are gone.
const longestPause = time.Minute

// connect makes sure that there is a session. There are never more than two: this one, and one that is being torn down.
func (c *Collector) connect(ctx context.Context) error {
	if c.closed {
		return errors.New("the collector is closed")
	}
	if c.session != nil {
		if !c.session.lost() {
			return nil
		}
		c.drop()
	}
	if err := c.bury(ctx); err != nil {
		return err
	}
	if c.now().Before(c.pause) {
		return errPaused
	}
	cfg, err := c.cfg.connConfig()
	if err != nil {
		return err
	}
	s, err := dial(ctx, cfg)
	if err != nil {
		c.unanswered(err)
		return redacted(err, cfg)
	}
	c.timeouts = 0
	c.session = s
	c.adopt(s.major)
	return nil
}

// bury waits until at most one session is still being torn down, which takes long where the network is dead.
func (c *Collector) bury(ctx context.Context) error {
	c.dying = slices.DeleteFunc(c.dying, func(done <-chan struct{}) bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	for len(c.dying) > 1 {
		select {
		case <-c.dying[0]:
			c.dying = c.dying[1:]
		case <-ctx.Done():
			return fmt.Errorf("end the sessions of earlier scrapes: %w", ctx.Err())
		}
	}
	return nil
}

// errPaused reads like the time-out that led to it, so that the log does not alternate between the two.
var errPaused = fmt.Errorf("no try to connect this time: %w", context.DeadlineExceeded)

// unanswered spaces out the tries to connect while they run into their deadline.
func (c *Collector) unanswered(err error) {
	if reason(err) != collector.ReasonTimeout {
		c.timeouts = 0
		return
	}
	if c.timeouts++; c.timeouts > 1 {
		c.pause = c.now().Add(min(5*time.Second<<min(c.timeouts-2, 10), longestPause))
	}
}

// adopt makes the views fit a new session. Slow values survive a reconnect, what the session itself decides does not.
func (c *Collector) adopt(major int) {
	if c.major != major {
		c.major = major
		c.views = c.views[:0]
		for _, v := range c.catalog {
			if inVersion(major, v.since, v.until) {
				state := newViewState(v, major)
				state.settings = c.settings
				c.views = append(c.views, state)
			}
		}
	}
	for _, v := range c.views {
		v.token = ""
	}
}

// drop gives the session up.
func (c *Collector) drop() {
	if c.session == nil {
		return
	}
	c.dying = append(c.dying, c.session.close())
	c.session = nil
}

// downError says why a server cannot be read, without secrets.
type downError struct {
	target, reason, text string
	stale                bool // met on a session that existed; a new one may do
}

func (e *downError) Error() string {
	return fmt.Sprintf("postgres target %q is down (%s): %s", e.target, e.reason, e.text)
}

func (c *Collector) down(err error, stale bool) error {
	down := &downError{target: c.cfg.Name, reason: reason(err), stale: stale}
	var (
		pgErr *pgconn.PgError
		cfg   *configError
	)
	switch {
	case errors.As(err, &pgErr):
		down.text = fmt.Sprintf("%s (SQLSTATE %s)", pgErr.Message, pgErr.Code)
	case errors.As(err, &cfg):
		down.text = err.Error()
	default:
		if down.text = collector.NetError(err); down.text == "" {
			down.text = err.Error()
		}
	}
	return down
}
