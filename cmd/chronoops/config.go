package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"

	apicollector "github.com/chronoops/chronoops/collector/api"
	pgcollector "github.com/chronoops/chronoops/collector/postgres"
	rediscollector "github.com/chronoops/chronoops/collector/redis"
	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/api"
	"github.com/chronoops/chronoops/receiver/notify"
	"github.com/chronoops/chronoops/receiver/policy"
)

// config is the whole configuration file. Each part's shape, defaults and rules live beside the code that uses it.
type config struct {
	Instance      instanceConfig          `yaml:"instance,omitempty"`
	Targets       targetsConfig           `yaml:"targets,omitempty"`
	Probe         apicollector.FreeConfig `yaml:"probe,omitempty"`
	Receiver      *receiverConfig         `yaml:"receiver,omitempty"`
	Notifications notify.Global           `yaml:"notifications,omitempty"`
	Contacts      []notify.Contact        `yaml:"contacts,omitempty"`
	Escalation    policy.Ladders          `yaml:"escalation,omitempty"`

	environment map[string]string // the variable that a target came from, by the target's name
	doc         *document         // where it was read from
}

// instanceConfig says who we are and which alerts we may repair.
type instanceConfig struct {
	Name        string          `yaml:"name,omitempty"`
	Owns        policy.Matchers `yaml:"owns,omitempty"`
	ExternalURL string          `yaml:"external_url,omitempty"` // where people reach the receiver's pages
}

type targetsConfig struct {
	Postgres     []pgcollector.Config    `yaml:"postgres,omitempty"`
	Redis        []rediscollector.Config `yaml:"redis,omitempty"`
	API          []apicollector.Config   `yaml:"api,omitempty"`
	Prometheus   []peerConfig            `yaml:"prometheus,omitempty"`
	Alertmanager []peerConfig            `yaml:"alertmanager,omitempty"`
}

// peerConfig is a Prometheus or an Alertmanager that is asked over HTTP.
type peerConfig struct {
	Name string                     `yaml:"name"`
	URL  string                     `yaml:"url"`
	HTTP commoncfg.HTTPClientConfig `yaml:"http_config,omitempty"`
}

// UnmarshalYAML sets the defaults and validates.
func (p *peerConfig) UnmarshalYAML(unmarshal func(any) error) error {
	*p = peerConfig{HTTP: commoncfg.DefaultHTTPClientConfig}
	type plain peerConfig
	if err := unmarshal((*plain)(p)); err != nil {
		return err
	}
	if p.Name == "" {
		return errors.New("target has no name: add `name: …`")
	}
	u, err := url.Parse(p.URL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return fmt.Errorf("target %s: url must be like http://127.0.0.1:9093", p.Name)
	case u.User != nil:
		return fmt.Errorf("target %s: the url must not hold a password: use http_config.basic_auth", p.Name)
	}
	return p.HTTP.Validate()
}

type receiverConfig struct {
	Mode            receiver.Mode `yaml:"mode"`
	api.Credentials `yaml:",inline"`
	Policies        []policy.Policy        `yaml:"policies,omitempty"`
	Postgres        []repairSession        `yaml:"postgres,omitempty"`
	IgnoreLabels    []string               `yaml:"ignore_labels,omitempty"`
	MaxBody         int64                  `yaml:"max_body"` // bytes
	Hold            model.Duration         `yaml:"hold"`
	ReopenWithin    model.Duration         `yaml:"reopen_within"`
	AckFor          model.Duration         `yaml:"ack_for"`
	Recheck         model.Duration         `yaml:"recheck"`
	ApprovalFor     model.Duration         `yaml:"approval_for"`
	Heartbeat       notify.HeartbeatConfig `yaml:"heartbeat,omitempty"`
	KeepMessages    model.Duration         `yaml:"keep_messages"`
}

// repairSession is the session that repairs use, with rights of its own. A target without one is repaired with the
// credentials that it is read with.
type repairSession struct {
	Target  string           `yaml:"target"`
	DSN     commoncfg.Secret `yaml:"dsn,omitempty"`
	DSNFile string           `yaml:"dsn_file,omitempty"`
}

// UnmarshalYAML sets the defaults and validates.
func (r *receiverConfig) UnmarshalYAML(unmarshal func(any) error) error {
	*r = receiverConfig{
		Mode: receiver.ModeShadow, MaxBody: 8 << 20,
		Hold: model.Duration(5 * time.Minute), ReopenWithin: model.Duration(10 * time.Minute), AckFor: model.Duration(4 * time.Hour),
		Recheck: model.Duration(30 * time.Second), ApprovalFor: model.Duration(time.Hour), KeepMessages: model.Duration(7 * 24 * time.Hour),
	}
	type plain receiverConfig
	if err := unmarshal((*plain)(r)); err != nil {
		return err
	}
	switch {
	case r.MaxBody < 1024:
		return errors.New("receiver.max_body must be at least 1024 bytes")
	case r.Hold < 0 || time.Duration(r.Hold) > 5*time.Minute:
		return errors.New("receiver.hold must be between 0s and 5m: a page may not wait longer for a repair")
	case r.ReopenWithin < 0 || r.AckFor <= 0 || r.Recheck <= 0 || r.ApprovalFor <= 0 || r.KeepMessages <= 0:
		return errors.New("receiver: ack_for, recheck, approval_for and keep_messages must be longer than 0s")
	}
	return nil
}

// load reads the configuration file, or only the environment when there is no file.
func load(path string, getenv func(string) string) (*config, error) {
	c := &config{doc: &document{file: path}}
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		if err := c.doc.decode(b, c); err != nil {
			return nil, err
		}
		c.setDirectory(filepath.Dir(path))
	}
	c.fromEnvironment(getenv)
	if c.Instance.Name == "" {
		c.Instance.Name, _ = os.Hostname()
	}
	return c, c.doc.report(c.problems())
}

// fromEnvironment adds one target of each kind that the file names none of.
func (c *config) fromEnvironment(getenv func(string) string) {
	t := &c.Targets
	c.environment = map[string]string{}
	switch {
	case len(t.Postgres) > 0:
	case getenv("DATABASE_URL") != "":
		p := pgcollector.DefaultConfig
		p.Name, p.DSN = "postgres", commoncfg.Secret(getenv("DATABASE_URL"))
		t.Postgres = append(t.Postgres, p)
		c.environment[p.Name] = "DATABASE_URL"
	case getenv("PGHOST") != "" || getenv("PGSERVICE") != "" || getenv("PGPORT") != "" || getenv("PGUSER") != "" || getenv("PGDATABASE") != "":
		p := pgcollector.DefaultConfig
		p.Name = "postgres" // an empty DSN makes libpq's environment count
		t.Postgres = append(t.Postgres, p)
		c.environment[p.Name] = "PGHOST, PGPORT, PGUSER …"
	}
	if v := getenv("REDIS_URL"); v != "" && len(t.Redis) == 0 {
		t.Redis = append(t.Redis, rediscollector.Config{Name: "redis", URL: commoncfg.Secret(v)})
		c.environment["redis"] = "REDIS_URL"
	}
	if v := getenv("API_URL"); v != "" && len(t.API) == 0 {
		t.API = append(t.API, apicollector.Config{Name: "api", URL: v})
		c.environment["api"] = "API_URL"
	}
}

// setDirectory makes relative file names relative to the folder of the configuration file.
func (c *config) setDirectory(dir string) {
	join := func(names ...*string) {
		for _, name := range names {
			*name = commoncfg.JoinDir(dir, *name)
		}
	}
	for i := range c.Targets.Postgres {
		join(&c.Targets.Postgres[i].DSNFile)
	}
	for i := range c.Targets.Redis {
		r := &c.Targets.Redis[i]
		join(&r.URLFile, &r.PasswordFile, &r.Nodes.PasswordFile)
		r.TLS.SetDirectory(dir)
	}
	for i := range c.Targets.API {
		a := &c.Targets.API[i]
		join(&a.AuthorizationFile)
		a.TLS.SetDirectory(dir)
	}
	for _, peers := range [][]peerConfig{c.Targets.Prometheus, c.Targets.Alertmanager} {
		for i := range peers {
			peers[i].HTTP.SetDirectory(dir)
		}
	}
	people := c.notifyConfig()
	people.SetDirectory(dir)
	if r := c.Receiver; r != nil {
		r.SetDirectory(dir)
		r.Heartbeat.SetDirectory(dir)
		for i := range r.Postgres {
			join(&r.Postgres[i].DSNFile)
		}
	}
}

// policySet is what the receiver decides by.
func (c *config) policySet() *policy.Set {
	r := c.Receiver
	return &policy.Set{
		Mode: r.Mode, Policies: r.Policies, Ladders: c.Escalation, Owns: c.Instance.Owns,
		Hold: time.Duration(r.Hold), ReopenWithin: time.Duration(r.ReopenWithin), AckFor: time.Duration(r.AckFor),
		Recheck: time.Duration(r.Recheck), ApprovalFor: time.Duration(r.ApprovalFor), IgnoreLabels: r.IgnoreLabels, MaxBody: r.MaxBody,
	}
}
