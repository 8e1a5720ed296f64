package notify

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"

	"github.com/prometheus/alertmanager/config"
	amreceiver "github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/template"
)

// builder makes channels out of contacts.
type builder struct {
	o    Options
	tmpl *template.Template
}

func (b *builder) contact(conf Contact) (*contact, error) {
	c := &contact{Contact: conf, raw: maps.Clone(conf.Integrations)}
	if c.raw == nil {
		c.raw = map[string]any{}
	}
	blocks := withResolved(conf.Integrations)
	if conf.Email != "" {
		if b.o.Config.Global.mail() {
			own := map[string]any{"to": conf.Email, "send_resolved": true}
			more, _ := blocks["email_configs"].([]any)
			blocks["email_configs"] = append([]any{own}, more...)
		} else {
			c.missing = "it has an email address, but notifications.smtp_smarthost and smtp_from are not set"
		}
	}
	loaded, err := loadReceiver(b.o.Config.Global, conf.label(), blocks)
	if err != nil {
		return nil, err
	}
	b.addMail(c, loaded.EmailConfigs)
	if conf.Slack != nil {
		b.addSlackBot(c, *conf.Slack)
	}
	if err := b.addIntegrations(c, *loaded, blocks); err != nil {
		return nil, err
	}
	if c.missing == "" && len(c.channels) == 0 {
		c.missing = "it has no channel: give it email, slack or one of Alertmanager's *_configs"
	}
	return c, nil
}

func (b *builder) addMail(c *contact, confs []*config.EmailConfig) {
	for _, conf := range confs {
		m := &mailer{conf: conf, tmpl: b.tmpl, instance: b.o.Instance, name: c.label(), logger: b.o.Logger}
		target := fmt.Sprintf("email %s %s", conf.Smarthost, conf.To)
		c.add("email", target, conf.SendResolved(), m, conf.AuthPasswordFile, conf.AuthSecretFile)
	}
}

func (b *builder) addSlackBot(c *contact, conf SlackBot) {
	c.raw["slack"] = map[string]any{"api_url": conf.APIURL}
	id := c.nextID(kindSlackBot)
	bot := newSlackBot(conf, id, b.o.Timeout, b.o.Threads, b.o.Logger)
	c.add(kindSlackBot, "slackbot "+conf.APIURL+" "+conf.Channel, true, bot, conf.TokenFile)
}

func (b *builder) addIntegrations(c *contact, loaded config.Receiver, blocks map[string]any) error {
	loaded.EmailConfigs = nil // sent by mailer
	for _, conf := range loaded.PagerdutyConfigs {
		if conf.Severity == "" {
			conf.Severity = "critical" // the integration would write its own default while sending
		}
	}
	// What the integrations log may hold what their errors hold; the errors come back, cleaned.
	list, err := amreceiver.BuildReceiverIntegrations(loaded, b.tmpl, slog.New(slog.DiscardHandler),
		httpOptions(b.o.Timeout, "chronoops/"+b.o.Version)...)
	if err != nil {
		return err
	}
	for _, inner := range list {
		entries, _ := blocks[inner.Name()+"_configs"].([]any)
		if inner.Index() >= len(entries) {
			return fmt.Errorf("%s has more channels than entries", inner.Name()+"_configs")
		}
		entry := entries[inner.Index()]
		settings, err := json.Marshal(entry)
		if err != nil {
			return fmt.Errorf("compare the settings of %s: %w", inner.Name(), err)
		}
		var found secrets
		found.collect(entry, "")
		c.add(inner.Name(), inner.Name()+" "+string(settings), inner.SendResolved(), newIntegration(inner, b.o.Instance, c.label()), found.files...)
	}
	return nil
}

// add appends a channel; files are the credentials that it reads when it sends.
func (c *contact) add(kind, target string, resolved bool, s sender, files ...string) {
	c.channels = append(c.channels, &channel{
		Channel: Channel{ID: c.nextID(kind), Role: c.Role, Person: c.person(), Kind: kind, Resolved: resolved},
		sender:  s, target: target, files: files,
	})
}

// nextID numbers a contact's channels of one kind from the second on.
func (c *contact) nextID(kind string) string {
	same := 0
	for _, ch := range c.channels {
		if ch.Kind == kind {
			same++
		}
	}
	if same > 0 {
		return fmt.Sprintf("%s/%s-%d", c.label(), kind, same+1)
	}
	return c.label() + "/" + kind
}

// problem says why a contact cannot be reached by any channel, or "".
func (c *contact) problem() string {
	if len(c.channels) == 0 {
		return c.missing
	}
	var why []string
	for _, ch := range c.channels {
		problem := ch.problem()
		if problem == "" {
			return ""
		}
		why = append(why, ch.Kind+": "+problem)
	}
	return strings.Join(why, ", ")
}

func (c *channel) problem() string {
	for _, name := range c.files {
		if name == "" {
			continue
		}
		b, err := os.ReadFile(name)
		switch {
		case err != nil:
			return fmt.Sprintf("a credential cannot be read: %v", err)
		case strings.TrimSpace(string(b)) == "":
			return fmt.Sprintf("the credential file %s is empty", name)
		case strings.Contains(string(b), "{{"):
			return fmt.Sprintf("the credential file %s holds a template: who is told may not depend on an alert's labels", name)
		}
	}
	return ""
}
