// Package notify pages people: through Alertmanager's own integrations, a Slack bot and email, one contact and channel
// at a time. It decides nothing about whom to page when; it says truthfully what became of a page.
package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

// Options make a Notifier.
type Options struct {
	Config      Config
	Instance    string        // tells our incidents from those of other installations at one provider
	ExternalURL string        // where people find us; part of messages
	Version     string        // for the User-Agent; intake may refuse "chronoops/", which would be a loop
	Threads     Threads       // nil: in the memory of this Notifier
	Timeout     time.Duration // of one send; default 10 s
	Logger      *slog.Logger
}

// Channel is one way to reach one contact.
type Channel struct {
	ID       string // stable while the configuration names the same role, person and kind: 运维工程师/李四/email
	Role     string
	Person   string // the contact's name, or its email address
	Kind     string // email, slackbot, or the name of Alertmanager's integration: slack, webhook, pagerduty, …
	Resolved bool   // wants to be told that the trouble is over
}

// Notifier sends notices to contacts. It does not change; a new configuration makes a new one.
type Notifier struct {
	global   Global
	contacts []*contact
	channels map[string]*channel
	secrets  *secrets
	timeout  time.Duration
	logger   *slog.Logger
}

type contact struct {
	Contact
	channels []*channel
	missing  string         // why an address leads nowhere
	raw      map[string]any // what leads somewhere, for finding loops
}

type channel struct {
	Channel
	sender
	target string   // equal for two channels that lead to the same place
	files  []string // credentials read when sending
}

// New builds every contact's channels. Its error names each contact that cannot be built.
func New(o Options) (*Notifier, error) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Threads == nil {
		o.Threads = NewMemoryThreads()
	}
	external, err := url.Parse(o.ExternalURL)
	if err != nil {
		return nil, errors.New("external URL is not a URL such as https://ops.example.com")
	}
	tmpl, err := newTemplate(external)
	if err != nil {
		return nil, err
	}
	n := &Notifier{global: o.Config.Global, channels: map[string]*channel{}, secrets: &secrets{}, timeout: o.Timeout, logger: o.Logger}
	n.secrets.collect(map[string]any(o.Config.Global), "")
	b := builder{o: o, tmpl: tmpl}
	var errs []error
	for i := range o.Config.Contacts {
		c := o.Config.Contacts[i]
		n.secrets.collect(c.Integrations, "")
		if c.Slack != nil {
			n.secrets.collect(map[string]any{"bot_token": c.Slack.Token, "bot_token_file": c.Slack.TokenFile}, "")
		}
		built, err := b.contact(c)
		if err != nil {
			errs = append(errs, fmt.Errorf("contact %s: %w", c.label(), n.secrets.wrap(err)))
			continue
		}
		for _, ch := range built.channels {
			if _, ok := n.channels[ch.ID]; ok {
				errs = append(errs, fmt.Errorf("contact %s is listed twice: give each a name, or put all channels of one person into one entry", c.label()))
				break
			}
			n.channels[ch.ID] = ch
		}
		n.contacts = append(n.contacts, built)
	}
	return n, errors.Join(errs...)
}

// Channels lists where a role is paged, each place once. A role that nobody has gives none.
func (n *Notifier) Channels(role string) []Channel {
	var list []Channel
	seen := map[string]bool{}
	for _, c := range n.having(role) {
		for _, ch := range c.channels {
			if !seen[ch.target] {
				seen[ch.target] = true
				list = append(list, ch.Channel)
			}
		}
	}
	return list
}

// Roles lists the roles that contacts have, in the order of the configuration.
func (n *Notifier) Roles() []string {
	var roles []string
	for _, c := range n.contacts {
		if !slices.Contains(roles, c.Role) {
			roles = append(roles, c.Role)
		}
	}
	return roles
}

func (n *Notifier) having(role string) []*contact {
	if slices.Contains(everyone(), role) {
		return n.contacts
	}
	var list []*contact
	for _, c := range n.contacts {
		if c.Role == role {
			list = append(list, c)
		}
	}
	return list
}

// CheckRole returns an error when paging a role would reach nobody; it says what to add.
func (n *Notifier) CheckRole(role string) error {
	contacts := n.having(role)
	if len(contacts) == 0 {
		return fmt.Errorf("nobody has the role %q: add a contact with it, or use one of %s", role,
			strings.Join(append(n.Roles(), everyone()...), ", "))
	}
	var why []string
	for _, c := range contacts {
		problem := c.problem()
		if problem == "" {
			return nil
		}
		why = append(why, c.label()+": "+problem)
	}
	return fmt.Errorf("role %q has no working channel: %s", role, strings.Join(why, "; "))
}

// Send pages one channel and returns nil once the provider has accepted, a *receiver.SendError otherwise.
func (n *Notifier) Send(ctx context.Context, channelID string, notice receiver.Notice) error {
	ch, ok := n.channels[channelID]
	if !ok {
		return &receiver.SendError{Outcome: receiver.SendRefused, Reason: "config", Err: fmt.Errorf("no channel %q in the configuration any more", channelID)}
	}
	if notice.Kind.Closes() && !ch.Resolved {
		return &receiver.SendError{Outcome: receiver.SendUnwanted, Reason: "unwanted", Err: fmt.Errorf("channel %q has send_resolved: false", channelID)}
	}
	if err := ctx.Err(); err != nil {
		return &receiver.SendError{Outcome: receiver.SendRetry, Reason: transportReason(err), Err: fmt.Errorf("page %s: %w", channelID, err)}
	}
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	v, err := guarded(ctx, ch.sender, notice)
	if err == nil {
		return nil
	}
	if errors.Is(err, errPanic) {
		n.logger.Error("An integration panicked", "channel", channelID, "err", n.secrets.wrap(err))
	}
	return &receiver.SendError{
		Outcome: v.outcome, RetryAfter: v.retryAfter, Reason: v.reason,
		Err: fmt.Errorf("page %s: %w", channelID, n.secrets.wrap(err)),
	}
}
