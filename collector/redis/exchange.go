package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chronoops/chronoops/collector"
)

// command is one that a scrape may send.
type command struct {
	name string // without arguments: what a refusal is remembered by
	text string // with them: what its reply is found by
	args []any
}

// newCommand returns the command of the given words; its name is the first n of them.
func newCommand(n int, words ...string) command {
	c := command{name: strings.Join(words[:n], " "), text: strings.Join(words, " ")}
	for _, w := range words {
		c.args = append(c.args, w)
	}
	return c
}

var (
	infoAll        = newCommand(1, "INFO", "ALL")
	infoEverything = newCommand(1, "INFO", "EVERYTHING") // with what modules tell, since Redis 6
)

// heard is the replies of one scrape by the command's text.
type heard map[string]answer

type answer struct {
	raw string
	err error
	old bool // from an earlier scrape: it was not asked for this time
}

// get returns the reply to a command. Without an error and not ok it was not asked for, as the server cannot have it.
func (h heard) get(c command) (reply cursor, ok bool, err error) {
	a, ok := h[c.text]
	if a.err != nil {
		return cursor{}, false, refusedError(c.name, a.err)
	}
	return cursor{a.raw}, ok, nil
}

func refusedError(command string, err error) error {
	if forbidden(err) || unknownCommand(err) {
		return fmt.Errorf("%s: %s: allow it to the user, or switch the part off", command, describe(err))
	}
	return fmt.Errorf("%s: %s", command, describe(err))
}

// mostRounds bounds how often a scrape asks: what the server is, then what that makes worth asking, then what only the
// second answer names. Once the server is known, all of it goes into one round.
const mostRounds = 3

// ask reads everything that the selected parts need. An error means that the server cannot be read.
func (c *Collector) ask(ctx context.Context, w *collector.Writer) (*scrape, error) {
	if c.closed {
		return nil, errors.New("the collector is closed")
	}
	if c.client == nil {
		o, err := c.cfg.options()
		if err != nil {
			return nil, err
		}
		c.client, c.firstDB = goredis.NewClient(c.timed(o)), o.DB
	}
	s := &scrape{now: c.now(), heard: make(heard)}
	for range mostRounds {
		todo := c.wanted(w, s)
		if len(todo) == 0 {
			break
		}
		err := c.send(ctx, todo, s.heard)
		if s.info == nil {
			if err := s.read(c.infoCommand()); err != nil {
				c.drop()
				return nil, err
			}
			if c.known.learn(s) {
				maps.DeleteFunc(s.heard, func(_ string, a answer) bool { return a.old })
			}
		}
		c.known.remember(todo, s)
		if err != nil {
			c.drop() // It broke after INFO; the parts that are missing tell.
			break
		}
	}
	s.settingsErr = c.known.learnSettings(s)
	return s, nil
}

func (c *Collector) infoCommand() command {
	if c.known.modules && c.known.version.since(6, 0) {
		return infoEverything
	}
	return infoAll
}

// wanted returns what is still to be asked for, and puts down as refused what is no use asking for.
func (c *Collector) wanted(w *collector.Writer, s *scrape) []command {
	var todo []command
	if s.info == nil {
		todo = append(todo, c.infoCommand())
	}
	if !c.known.learned {
		return todo
	}
	for _, r := range c.readers {
		if r.commands == nil || !w.Selected(r.name) {
			continue
		}
		for _, one := range r.commands(c, s) {
			if _, ok := s.heard[one.text]; ok {
				continue
			}
			if err := c.known.refusal(one.name, s.now); err != nil {
				s.heard[one.text] = answer{err: err, old: true}
				continue
			}
			s.heard[one.text] = answer{err: errNoReply} // also keeps two parts from asking for the same
			todo = append(todo, one)
		}
	}
	return todo
}

var errNoReply = errors.New("there is no reply")

// send sends commands in one pipeline and keeps their replies. An error means that the connection is no good any more.
func (c *Collector) send(ctx context.Context, commands []command, into heard) error {
	cmds := make([]*goredis.RawCmd, len(commands))
	p := c.client.Pipeline()
	for i, one := range commands {
		cmds[i] = goredis.NewRawCmd(ctx, one.args...)
		_ = p.Process(ctx, cmds[i]) // It queues.
	}
	_, pipeErr := p.Exec(ctx)
	for i, one := range commands {
		a := answer{raw: string(cmds[i].Val()), err: cmds[i].Err()}
		if a.err != nil && whole(a.raw) {
			a.err = nil // The client gives replies that came the error of one that did not.
		}
		switch {
		case a.err != nil:
		case a.raw != "":
			a.err = failure(a.raw)
		case pipeErr != nil:
			a.err = pipeErr // The client keeps an error of the login from the commands.
		default:
			a.err = errNoReply
		}
		into[one.text] = a
	}
	if _, ok := saidByServer(pipeErr); ok {
		return nil
	}
	return pipeErr
}
