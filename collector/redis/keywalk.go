package redis

import (
	"context"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// mostCommands bounds one pipeline of key checks.
const mostCommands = 2000

// step is something to ask in one go. done gets the reply to each command, in order, and returns what that makes worth
// asking; an error ends the walk.
type step struct {
	db       int
	commands [][]any
	cost     int // keys that the server goes over
	done     func(replies []cursor) ([]step, error)
}

// budget is what is left to a scrape.
type budget struct {
	keys  int
	until time.Time
}

func (b *budget) any() bool { return b.keys > 0 && time.Now().Before(b.until) }

// walk goes on with both passes within the budget of one scrape.
func (c *Collector) walk(ctx context.Context, s *scrape) {
	k := &c.keys
	left := budget{keys: k.plan.budget.KeysPerScrape, until: time.Now().Add(time.Duration(k.plan.budget.TimePerScrape))}
	for _, p := range []*pass{&k.named, &k.found} {
		if len(p.queue) == 0 {
			c.begin(p, s)
		}
		for len(p.queue) > 0 && left.any() && ctx.Err() == nil {
			start := time.Now()
			err := c.round(ctx, p, s, &left)
			p.busy += time.Since(start)
			if err != nil || len(p.queue) == 0 {
				k.end(p, c.now(), err)
			}
		}
	}
}

// begin starts a walk if the last one began long enough ago.
func (c *Collector) begin(p *pass, s *scrape) {
	plan := c.keys.plan
	if !p.begun.IsZero() && s.now.Sub(p.begun) < time.Duration(*plan.budget.Interval) {
		return
	}
	p.now = newResults()
	if p == &c.keys.named {
		for _, l := range plan.named {
			if c.place == nil || c.place.owns(l.name) {
				p.queue = append(p.queue, plan.look(p.now, l))
			}
		}
	} else {
		p.queue = c.scans(p.now, s)
	}
	if len(p.queue) > 0 {
		p.begun, p.busy = s.now, 0
	}
}

// end closes a walk. What an interrupted one has brought is forgotten: the values of the last complete one stay, and
// their age tells.
func (k *keyChecks) end(p *pass, now time.Time, err error) {
	if err == nil {
		k.plan.sumUp(p.now)
		p.shown, p.since, p.took, p.spent, err = p.now, p.begun, now.Sub(p.begun), p.busy, p.now.problem
	}
	p.queue, p.now, p.err = nil, nil, err
}

// round asks for the steps at the head of the queue in one pipeline. What they make worth asking goes in front of the
// rest, so that keys are looked at before more are scanned for.
func (c *Collector) round(ctx context.Context, p *pass, s *scrape, left *budget) error {
	var asked []step
	if s.id.cluster {
		asked = append(asked, readOnly)
	}
	// The client may have connected anew since the last round: each names its databases, unless all is in the first.
	n, commands, db := 0, 0, c.firstDB
	if c.keys.plan.leaves(c.firstDB) && !s.id.cluster {
		db = -1
	}
	for n < len(p.queue) && commands < mostCommands && (n == 0 || left.keys > 0) {
		one := p.queue[n]
		if one.db != db && !s.id.cluster {
			asked, db = append(asked, selectDB(one.db)), one.db
		}
		asked = append(asked, one)
		commands += len(one.commands)
		left.keys -= one.cost
		n++
	}
	replies, err := c.exchange(ctx, asked)
	c.keys.trips++
	if err != nil {
		return fmt.Errorf("look at keys: %s", describe(err))
	}
	var next []step
	for _, one := range asked {
		more, err := one.done(replies[:len(one.commands)])
		if err != nil {
			return err
		}
		next, replies = append(next, more...), replies[len(one.commands):]
	}
	p.queue = append(next, p.queue[n:]...)
	return nil
}

// exchange sends the commands of all steps and returns their replies. An error means that the connection is gone.
func (c *Collector) exchange(ctx context.Context, steps []step) ([]cursor, error) {
	if c.client == nil {
		return nil, errNoReply
	}
	pipe := c.client.Pipeline()
	var sent []*goredis.RawCmd
	for _, one := range steps {
		for _, args := range one.commands {
			cmd := goredis.NewRawCmd(ctx, args...)
			sent = append(sent, cmd)
			_ = pipe.Process(ctx, cmd) // It queues.
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		c.drop()
		return nil, err
	}
	replies := make([]cursor, len(sent))
	for i, cmd := range sent {
		replies[i] = cursor{string(cmd.Val())}
	}
	return replies, nil
}

// selectDB is the step into another database. Without it what follows would be about the wrong keys.
func selectDB(db int) step {
	return step{commands: [][]any{{"SELECT", db}}, done: must("SELECT")}
}

// readOnly makes a replica in a cluster answer for its keys. A primary accepts it too.
var readOnly = step{commands: [][]any{{"READONLY"}}, done: must("READONLY")}

// must ends a walk if the server refuses.
func must(command string) func([]cursor) ([]step, error) {
	return func(replies []cursor) ([]step, error) {
		if err := failure(replies[0].rest); err != nil {
			return nil, refusedError(command, err)
		}
		return nil, nil
	}
}
