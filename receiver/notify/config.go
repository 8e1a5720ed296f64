package notify

import (
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Config says who can be reached and how. Both values are kept as written: credentials must reach the integrations
// unchanged, and marshalling loaded values would replace them.
type Config struct {
	Global   Global    `yaml:"notifications,omitempty"`
	Contacts []Contact `yaml:"contacts,omitempty"`
}

// Global is Alertmanager's `global` block, verbatim: smtp_smarthost, slack_api_url, http_config and so on.
type Global map[string]any

// UnmarshalYAML implements yaml.Unmarshaler and refuses what Alertmanager would refuse.
func (g *Global) UnmarshalYAML(unmarshal func(any) error) error {
	var raw map[string]any
	if err := unmarshal(&raw); err != nil {
		return err
	}
	if _, err := loadReceiver(raw, "contact", nil); err != nil {
		return fmt.Errorf("notifications (Alertmanager's \"global\" settings): %w", err)
	}
	*g = raw
	return nil
}

// MarshalYAML implements yaml.Marshaler; it hides credentials.
func (g Global) MarshalYAML() (any, error) { return redact(map[string]any(g), ""), nil }

// mail reports whether an email address alone is enough to reach a contact.
func (g Global) mail() bool {
	host, _ := g["smtp_smarthost"].(string)
	from, _ := g["smtp_from"].(string)
	return host != "" && from != ""
}

// Contact is one person, or one place that people watch, in one role. Several contacts may share a role, and one person
// may appear in several.
type Contact struct {
	Role  string    `yaml:"role"`
	Name  string    `yaml:"name,omitempty"`
	Phone string    `yaml:"phone,omitempty"` // shown to people; nothing calls it
	Email string    `yaml:"email,omitempty"` // one address or several with commas; sent through `notifications.smtp_*`
	Slack *SlackBot `yaml:"slack,omitempty"`

	// Integrations holds any of Alertmanager's receiver blocks (slack_configs, webhook_configs, …), verbatim.
	Integrations map[string]any `yaml:",inline"`
}

// everyone are the role names that stand for all contacts.
func everyone() []string { return []string{"所有人", "everyone"} }

// UnmarshalYAML implements yaml.Unmarshaler.
func (c *Contact) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Contact
	var p plain
	if err := unmarshal(&p); err != nil {
		return err
	}
	*c = Contact(p)
	return c.validate()
}

// MarshalYAML implements yaml.Marshaler; it hides credentials.
func (c Contact) MarshalYAML() (any, error) {
	out := map[string]any{"role": c.Role}
	for key, value := range map[string]string{"name": c.Name, "phone": c.Phone, "email": c.Email} {
		if value != "" {
			out[key] = value
		}
	}
	if c.Slack != nil {
		out["slack"] = c.Slack
	}
	maps.Copy(out, redact(c.Integrations, "").(map[string]any))
	return out, nil
}

func (c *Contact) validate() error {
	if c.Role == "" {
		return fmt.Errorf("contact %q has no role: give it one, e.g. role: oncall; the escalation levels name roles", c.Name)
	}
	if slices.Contains(everyone(), c.Role) {
		return fmt.Errorf("role %q stands for all contacts and cannot be given to one: choose another name", c.Role)
	}
	for _, s := range []string{c.Role, c.Name, c.Phone, c.Email} {
		if strings.ContainsFunc(s, unicode.IsControl) {
			return fmt.Errorf("contact %s: %q contains a control character: remove it", c.label(), s)
		}
	}
	if c.Email != "" {
		if _, err := mail.ParseAddressList(c.Email); err != nil {
			return fmt.Errorf("contact %s: email %q is not an address such as someone@example.com: %w", c.label(), c.Email, err)
		}
	}
	known := integrationKeys()
	for _, key := range slices.Sorted(maps.Keys(c.Integrations)) {
		if !slices.Contains(known, key) {
			return fmt.Errorf("contact %s: unknown key %q: want role, name, phone, email, slack or one of Alertmanager's %s",
				c.label(), key, strings.Join(known, ", "))
		}
		if err := checkBlock(key, c.Integrations[key]); err != nil {
			return fmt.Errorf("contact %s: %w", c.label(), err)
		}
	}
	return nil
}

// person is what tells contacts of one role apart.
func (c *Contact) person() string {
	switch {
	case c.Name != "":
		return c.Name
	case c.Email != "":
		return c.Email
	}
	return "-"
}

func (c *Contact) label() string { return c.Role + "/" + c.person() }

// SlackBot posts through a bot token (chat.postMessage), one thread an incident.
type SlackBot struct {
	Token     string `yaml:"bot_token,omitempty"`
	TokenFile string `yaml:"bot_token_file,omitempty"` // read before each message, so that it can be rotated
	Channel   string `yaml:"channel"`                  // the channel's id (C0123456789), or its name for public ones
	APIURL    string `yaml:"api_url,omitempty"`        // default https://slack.com/api/; GovSlack and proxies differ
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *SlackBot) UnmarshalYAML(unmarshal func(any) error) error {
	type plain SlackBot
	p := plain{APIURL: "https://slack.com/api/"}
	if err := unmarshal(&p); err != nil {
		return err
	}
	switch u, err := url.Parse(p.APIURL); {
	case (p.Token == "") == (p.TokenFile == ""):
		return errors.New("slack: want exactly one of bot_token_file and bot_token")
	case p.Channel == "":
		return errors.New("slack: channel is missing: give the channel's id, and invite the bot to the channel")
	case strings.Contains(p.Channel, "{{"):
		return errors.New("slack: channel must not be a template: who is told may not depend on an alert's labels")
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return errors.New("slack: api_url must be a http or https URL such as https://slack.com/api/")
	}
	if !strings.HasSuffix(p.APIURL, "/") {
		p.APIURL += "/"
	}
	*s = SlackBot(p)
	return nil
}

// MarshalYAML implements yaml.Marshaler; it hides the token.
func (s SlackBot) MarshalYAML() (any, error) {
	type plain SlackBot
	if s.Token != "" {
		s.Token = hidden
	}
	return plain(s), nil
}
