package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

// Config describes one API target.
type Config struct {
	Name      string `yaml:"name"`
	URL       string `yaml:"url"`                  // the paths of the probes are appended to it
	OnMetrics bool   `yaml:"on_metrics,omitempty"` // on /metrics although there are several targets of the kind

	// Probes are the paths to ask. By default the URL itself if it has a path, else /health.
	Probes            []ProbeConfig       `yaml:"probes,omitempty"`
	Headers           map[string]string   `yaml:"headers,omitempty"`            // no secrets
	AuthorizationFile string              `yaml:"authorization_file,omitempty"` // holds the header's value, e.g. "Bearer …"; read for each probe
	TLS               commoncfg.TLSConfig `yaml:"tls,omitempty"`
	AccessLog         *AccessLogConfig    `yaml:"access_log,omitempty"`
}

// ProbeConfig describes one path to ask. A plain string is its path.
type ProbeConfig struct {
	Path        string         `yaml:"path"`
	Method      string         `yaml:"method,omitempty"`       // GET or HEAD
	MinInterval model.Duration `yaml:"min_interval,omitempty"` // the last result is shown until it is so old, less a tenth and at most a second
	Timeout     model.Duration `yaml:"timeout,omitempty"`      // within the scrape's deadline
	Status      []int          `yaml:"status,omitempty"`       // expected; by default 200–299
	Body        string         `yaml:"body,omitempty"`         // regular expression that the body must match
	HTML        bool           `yaml:"html,omitempty"`         // an HTML page is an answer
	MaxBody     int64          `yaml:"max_body,omitempty"`     // bytes
}

// AccessLogConfig describes the access log of the server in front of a target.
type AccessLogConfig struct {
	Path      string   `yaml:"path"`
	Format    string   `yaml:"format,omitempty"`
	Routes    []string `yaml:"routes,omitempty"`     // templates such as /api/v1/stocks/:code/data or /static/*
	MaxRoutes int      `yaml:"max_routes,omitempty"` // learned from the log besides; further ones count as "other"
}

// The defaults of a probe and of an access log.
const (
	DefaultMinInterval = 5 * time.Second
	DefaultMaxRoutes   = 100
	limitRoutes        = 2000
	limitBody          = 64 << 20
)

// UnmarshalYAML implements the yaml package's Unmarshaler.
func (c *Config) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Config
	*c = Config{}
	if err := unmarshal((*plain)(c)); err != nil {
		return err
	}
	return c.Validate()
}

// UnmarshalYAML implements the yaml package's Unmarshaler.
func (c *ProbeConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain ProbeConfig
	*c = ProbeConfig{}
	if unmarshal(&c.Path) != nil {
		c.Path = ""
		if err := unmarshal((*plain)(c)); err != nil {
			return err
		}
	}
	c.setDefaults()
	return c.validate()
}

func (c *ProbeConfig) setDefaults() {
	c.Method = cmp.Or(c.Method, http.MethodGet)
	c.MinInterval = cmp.Or(c.MinInterval, model.Duration(DefaultMinInterval))
	c.Timeout = cmp.Or(c.Timeout, model.Duration(DefaultTimeout))
	c.MaxBody = cmp.Or(c.MaxBody, DefaultMaxBody)
}

// UnmarshalYAML implements the yaml package's Unmarshaler.
func (c *AccessLogConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain AccessLogConfig
	*c = AccessLogConfig{Format: FormatCombined, MaxRoutes: DefaultMaxRoutes}
	if err := unmarshal((*plain)(c)); err != nil {
		return err
	}
	return c.validate()
}

// Validate checks the target and fills in defaults, for configurations that were not read from YAML as well.
func (c *Config) Validate() error {
	if err := checkName(c.Name); err != nil {
		return err
	}
	fail := func(err error) error { return fmt.Errorf("api target %q: %w", c.Name, err) }
	u, err := checkURL(c.URL)
	if err != nil {
		return fail(err)
	}
	if len(c.Probes) == 0 {
		p := ProbeConfig{Path: "/health"}
		if strings.Trim(u.Path, "/") != "" {
			p.Path = ""
		}
		c.Probes = []ProbeConfig{p}
	}
	var paths []string
	for i := range c.Probes {
		p := &c.Probes[i]
		p.setDefaults()
		if err := p.validate(); err != nil {
			return fail(err)
		}
		label := p.label(c.URL)
		if slices.Contains(paths, label) {
			return fail(fmt.Errorf("two probes of the path %q: their metrics could not be told apart", label))
		}
		paths = append(paths, label)
	}
	if err := checkHeaders(c.Headers); err != nil {
		return fail(err)
	}
	if err := c.TLS.Validate(); err != nil {
		return fail(fmt.Errorf("tls: %w", err))
	}
	if c.AccessLog != nil {
		c.AccessLog.Format = cmp.Or(c.AccessLog.Format, FormatCombined)
		c.AccessLog.MaxRoutes = cmp.Or(c.AccessLog.MaxRoutes, DefaultMaxRoutes)
		if err := c.AccessLog.validate(); err != nil {
			return fail(err)
		}
	}
	return nil
}

func checkName(name string) error {
	if name == "" {
		return errors.New("api target without a name: give it one, e.g. name: backend")
	}
	if len(name) > 64 || !isPrintable(name) || strings.ContainsAny(name, " /") {
		return fmt.Errorf("api target name %q: use at most 64 letters, digits, '-', '_' and '.'", name)
	}
	return nil
}

func isPrintable(s string) bool {
	return strings.ToValidUTF8(s, "") == s && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// checkURL never shows the URL's user information or query.
func checkURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("url is missing: write e.g. url: http://127.0.0.1:8000")
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("url cannot be parsed: write it as http://host:port")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("url must begin with http:// or https:// and a host, e.g. http://127.0.0.1:8000")
	case u.User != nil:
		return nil, errors.New("url holds a user or password: put the Authorization header's value into a file and name it by authorization_file")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("url has a query or fragment: leave it out")
	}
	return u, nil
}

func (c *ProbeConfig) validate() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("probe %q: %w", c.Path, fmt.Errorf(format, args...))
	}
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") {
		return fail("the path must begin with /")
	}
	if !isPrintable(c.Path) || strings.ContainsAny(c.Path, " #") {
		return fail("the path has characters that must be percent-encoded")
	}
	if _, err := url.ParseRequestURI("http://host" + c.Path); err != nil {
		return fail("the path is not part of a valid URL")
	}
	if c.Method != http.MethodGet && c.Method != http.MethodHead {
		return fail("method %q: only GET and HEAD, as a probe must change nothing", c.Method)
	}
	if c.MinInterval < 0 || c.Timeout < 0 {
		return fail("min_interval and timeout must not be negative")
	}
	if c.MaxBody < 0 || c.MaxBody > limitBody {
		return fail("max_body %d: at most %d bytes", c.MaxBody, limitBody)
	}
	for _, s := range c.Status {
		if s < 100 || s > 599 {
			return fail("status %d: want 100 to 599", s)
		}
	}
	if _, err := regexp.Compile(c.Body); err != nil {
		return fail("body: %w", err)
	}
	if c.Body != "" && c.Method == http.MethodHead {
		return fail("body cannot be matched with method HEAD: use GET")
	}
	return nil
}

func checkHeaders(headers map[string]string) error {
	for name, value := range headers {
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key":
			return fmt.Errorf("header %s holds a secret: put an Authorization header's value into a file and name it by authorization_file", name)
		}
		if name == "" || strings.ContainsAny(name, " :\r\n\x00") || strings.ContainsAny(value, "\r\n\x00") {
			return fmt.Errorf("header %q is not a valid HTTP header", name)
		}
	}
	return nil
}

func (c *AccessLogConfig) validate() error {
	if !filepath.IsAbs(c.Path) {
		return fmt.Errorf("access_log: path %q must be absolute, e.g. /var/log/nginx/access.log", c.Path)
	}
	if _, err := parserOf(c.Format); err != nil {
		return fmt.Errorf("access_log: %w", err)
	}
	if c.MaxRoutes < 1 || c.MaxRoutes > limitRoutes {
		return fmt.Errorf("access_log: max_routes %d: want 1 to %d, as each route has about 20 series", c.MaxRoutes, limitRoutes)
	}
	if _, err := newRouter(c.Routes, c.MaxRoutes); err != nil {
		return fmt.Errorf("access_log: %w", err)
	}
	return nil
}
