package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config is one Redis server to watch.
type Config struct {
	Name         string            `yaml:"name"`
	URL          config.Secret     `yaml:"url,omitempty"`      // redis://, rediss:// or unix://
	URLFile      string            `yaml:"url_file,omitempty"` // read at each connect
	Username     string            `yaml:"username,omitempty"`
	Password     config.Secret     `yaml:"password,omitempty"`
	PasswordFile string            `yaml:"password_file,omitempty"` // read at each connect
	TLS          *config.TLSConfig `yaml:"tls_config,omitempty"`    // turns TLS on by itself, as rediss:// does
	OnMetrics    bool              `yaml:"on_metrics,omitempty"`
	ClientList   bool              `yaml:"client_list,omitempty"` // each connection, up to a hundred, becomes a dozen series

	KeyConfig `yaml:",inline"`

	// Cluster and Sentinel make the target stand for the servers that the one at its address names. Each becomes a
	// target of its own, NAME@HOST:PORT.
	Cluster  bool            `yaml:"cluster,omitempty"`
	Sentinel *SentinelConfig `yaml:"sentinel,omitempty"`
	Nodes    NodeConfig      `yaml:"nodes,omitempty"`
}

// SentinelConfig is for a target whose address is a sentinel's.
type SentinelConfig struct {
	Master string `yaml:"master"` // the name that the sentinel knows the primary by
}

// NodeConfig says which servers may be contacted because another one names them, and how.
type NodeConfig struct {
	// Allow lists HOST, HOST:PORT or HOST:PORT-PORT, where HOST is an address, a network, a name or *.example.org. What
	// is not in it is not contacted. Empty stands for the host of the target's own address.
	Allow []string `yaml:"allow,omitempty"`
	// Hostnames takes the names that nodes of a cluster announce instead of their addresses.
	Hostnames bool `yaml:"hostnames,omitempty"`
	// The credentials of the servers that a sentinel watches, if they are not the sentinel's own.
	Username     string        `yaml:"username,omitempty"`
	Password     config.Secret `yaml:"password,omitempty"`
	PasswordFile string        `yaml:"password_file,omitempty"`
}

var validName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`)

// UnmarshalYAML refuses what cannot work.
func (c *Config) UnmarshalYAML(unmarshal func(any) error) error {
	*c = Config{}
	type plain Config
	if err := unmarshal((*plain)(c)); err != nil {
		return err
	}
	return c.validate()
}

func (c *Config) validate() error {
	switch {
	case c.Name == "":
		return errors.New("a redis target has no name: set name to a short word such as cache")
	case !validName.MatchString(c.Name):
		return fmt.Errorf("redis target name %q: use letters, digits, dots, dashes and underscores only", c.Name)
	case c.URL == "" && c.URLFile == "":
		return fmt.Errorf("redis target %q has neither url nor url_file: set url to redis://127.0.0.1:6379/0", c.Name)
	case c.URL != "" && c.URLFile != "":
		return fmt.Errorf("redis target %q has both url and url_file: keep one", c.Name)
	case c.Password != "" && c.PasswordFile != "":
		return fmt.Errorf("redis target %q has both password and password_file: keep one, better password_file", c.Name)
	case c.Username != "" && c.Password == "" && c.PasswordFile == "":
		return fmt.Errorf("redis target %q has a username and no password: add password_file", c.Name)
	}
	if c.URL != "" {
		if _, err := c.parse(string(c.URL)); err != nil {
			return err
		}
	}
	if err := c.validateKeys(); err != nil {
		return fmt.Errorf("redis target %q: %w", c.Name, err)
	}
	if err := c.validateNodes(); err != nil {
		return fmt.Errorf("redis target %q: %w", c.Name, err)
	}
	if c.TLS != nil {
		if err := c.TLS.Validate(); err != nil {
			return fmt.Errorf("tls_config of redis target %q: %w", c.Name, err)
		}
	}
	return nil
}

func (c *Config) parse(url string) (*goredis.Options, error) {
	o, err := goredis.ParseURL(url)
	if err != nil {
		// The parser's own words repeat the URL, password and all.
		return nil, &configError{fmt.Errorf("the url of redis target %q cannot be used: write redis://host:6379/0, "+
			"rediss:// for TLS or unix:///path, with special characters of a password percent-encoded", c.Name)}
	}
	return o, nil
}

// access is how a server is reached: as its target says, or the target that it was found for.
type access struct {
	Config
	address  string // in place of the URL's, of a server that was found
	ownLogin bool   // the URL's credentials are for another server
}

// options reads the address and the credentials as they are now. A client made of them is quiet: it sends the commands
// it is told to and nothing by itself, retries nothing, and keeps one connection.
func (c *access) options() (*goredis.Options, error) {
	url := string(c.URL)
	if c.URLFile != "" {
		var err error
		if url, err = c.readFile("url_file", c.URLFile); err != nil {
			return nil, err
		}
	}
	parsed, err := c.parse(url)
	if err != nil {
		return nil, err
	}
	o := &goredis.Options{
		Network: parsed.Network, Addr: parsed.Addr, DB: parsed.DB,
		Username: parsed.Username, Password: parsed.Password,
		ClientName: clientName, Protocol: 2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		PoolSize:                 1, MaxActiveConns: 1, PipelinePoolSize: -1,
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		ReadTimeout: time.Minute, WriteTimeout: time.Minute, // the context's deadline comes first
		PoolTimeout: time.Minute, ConnMaxIdleTime: -1,
	}
	if c.address != "" {
		o.Network, o.Addr, o.DB = "tcp", c.address, 0
	}
	if c.ownLogin {
		o.Username, o.Password = "", ""
	}
	if c.Username != "" {
		o.Username = c.Username
	}
	if c.Password != "" {
		o.Password = string(c.Password)
	}
	if c.PasswordFile != "" {
		if o.Password, err = c.readFile("password_file", c.PasswordFile); err != nil {
			return nil, err
		}
	}
	tlsConfig := parsed.TLSConfig
	if tlsConfig != nil && c.address != "" {
		tlsConfig.ServerName = "" // the node's own
	}
	if c.TLS != nil {
		if tlsConfig, err = c.tls(tlsConfig); err != nil {
			return nil, &configError{fmt.Errorf("tls_config of redis target %q: %w", c.Name, err)}
		}
	}
	o.Dialer = dialer(tlsConfig)
	return o, nil
}

func (c *Config) tls(fromURL *tls.Config) (*tls.Config, error) {
	t, err := config.NewTLSConfig(c.TLS)
	if err != nil {
		return nil, err
	}
	if t.ServerName == "" && fromURL != nil {
		t.ServerName = fromURL.ServerName
	}
	return t, nil
}

func (c *Config) readFile(key, path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", &configError{fmt.Errorf("read %s of redis target %q: %w", key, c.Name, err)}
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", &configError{fmt.Errorf("%s %s of redis target %q is empty", key, path, c.Name)}
	}
	return s, nil
}

// configError is a mistake in what the operator wrote, not a fault of the server.
type configError struct{ err error }

func (e *configError) Error() string { return e.err.Error() }
func (e *configError) Unwrap() error { return e.err }
