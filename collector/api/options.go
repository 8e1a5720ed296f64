package api

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	commoncfg "github.com/prometheus/common/config"
)

// ProbeOptions returns what to ask, for one-off probes of the target. The authorization file is read anew on each call.
func (c Config) ProbeOptions() ([]ProbeOptions, error) {
	c = c.clone()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c.options()
}

// clone keeps Validate from filling defaults into what others hold.
func (c Config) clone() Config {
	c.Probes = slices.Clone(c.Probes)
	if c.AccessLog != nil {
		log := *c.AccessLog
		c.AccessLog = &log
	}
	return c
}

func (c Config) options() ([]ProbeOptions, error) {
	header := http.Header{}
	for name, value := range c.Headers {
		header.Set(name, value)
	}
	if c.AuthorizationFile != "" {
		b, err := os.ReadFile(c.AuthorizationFile)
		if err != nil {
			return nil, fmt.Errorf("api target %q: read authorization_file: %w", c.Name, err)
		}
		value := strings.TrimSpace(string(b))
		if value == "" || !isPrintable(value) {
			return nil, fmt.Errorf("api target %q: authorization_file must hold one line, e.g. Bearer and a token", c.Name)
		}
		header.Set("Authorization", value)
	}
	tlsConfig, err := commoncfg.NewTLSConfig(&c.TLS)
	if err != nil {
		return nil, fmt.Errorf("api target %q: tls: %w", c.Name, err)
	}
	opts := make([]ProbeOptions, len(c.Probes))
	for i, p := range c.Probes {
		opts[i] = ProbeOptions{
			Name: p.label(c.URL), URL: strings.TrimSuffix(c.URL, "/") + p.Path, Method: p.Method, Header: header,
			Status: p.Status, HTML: p.HTML, TLS: tlsConfig, Timeout: time.Duration(p.Timeout), MaxBody: p.MaxBody,
		}
		if p.Path == "" {
			opts[i].URL = c.URL
		}
		if p.Body != "" {
			opts[i].Body = regexp.MustCompile(p.Body)
		}
	}
	return opts, nil
}

// label is the path, without a query, which may hold a token.
func (p ProbeConfig) label(base string) string {
	path := p.Path
	if path == "" {
		u, err := url.Parse(base)
		if err != nil {
			return ""
		}
		path = u.Path
	}
	path, _, _ = strings.Cut(path, "?")
	return path
}
