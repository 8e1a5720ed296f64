package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/chronoops/chronoops/collector"
)

// longestPause is the most between two tries to connect to a server that accepts and never answers. Each such try may
// leave a backend behind that waits for a lock on a system catalog and does not notice that we are gone.
const longestPause = time.Minute

// connect makes sure that there is a session.
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
	if !c.sessions.try() {
		if c.round != nil {
			c.round.cancel() // Its session is worth less than ours.
		}
		if err := c.sessions.acquire(ctx); err != nil {
			return err
		}
	}
	s, err := c.open(ctx)
	if err != nil {
		c.sessions.release()
		return err
	}
	c.session = s
	c.adopt(s.major)
	return nil
}

func (c *Collector) open(ctx context.Context) (*session, error) {
	if c.now().Before(c.pause) {
		return nil, errPaused
	}
	cfg, err := c.cfg.connConfig()
	if err != nil {
		return nil, err
	}
	s, err := dial(ctx, cfg)
	if err != nil {
		c.unanswered(err)
		return nil, redacted(err, cfg)
	}
	c.timeouts = 0
	return s, nil
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
			if inVersion(major, v.since, v.until) && !v.inRounds() {
				c.views = append(c.views, newViewState(v, major, v.newDecoder(c)))
			}
		}
	}
	for _, v := range c.views {
		v.token = ""
	}
}

// drop gives the session up.
func (c *Collector) drop() {
	if c.session != nil {
		c.sessions.bury(c.session)
		c.session = nil
	}
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
