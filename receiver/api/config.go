package api

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/prometheus/common/config"
)

// Role says what the holder of a token may do.
type Role string

// The roles. An operator may do what a viewer may.
const (
	RoleViewer   Role = "viewer"
	RoleOperator Role = "operator"
)

// Credentials are who may send alerts, look and act. Each part has its place under `receiver`.
type Credentials struct {
	Tokens  []TokenConfig  `yaml:"tokens,omitempty"`
	Sources []SourceConfig `yaml:"sources,omitempty"`
}

// TokenConfig is a token of one person, or of one program that looks or acts.
type TokenConfig struct {
	Name      string        `yaml:"name"`
	Role      Role          `yaml:"role"`
	Token     config.Secret `yaml:"token,omitempty"`
	TokenFile string        `yaml:"token_file,omitempty"` // read at every use, so that it can be rotated
}

// SourceConfig is a sender of alerts, bound to its credential, its path, or both.
type SourceConfig struct {
	Name          string        `yaml:"name"`
	Token         config.Secret `yaml:"token,omitempty"`      // as bearer token, or as the password of HTTP Basic
	TokenFile     string        `yaml:"token_file,omitempty"` // read at every use, so that it can be rotated
	Path          string        `yaml:"path,omitempty"`       // its own webhook path, e.g. "/hooks/prod"
	Alertmanagers []string      `yaml:"alertmanagers,omitempty"`
}

// The parts of Credentials, by their keys.
const (
	PartTokens  = "tokens"
	PartSources = "sources"
)

// CredentialError is what is wrong with one token or source.
type CredentialError struct {
	Part  string // PartTokens or PartSources
	Index int
	err   error
}

// Error implements error.
func (e *CredentialError) Error() string { return e.err.Error() }

// Unwrap returns the error itself.
func (e *CredentialError) Unwrap() error { return e.err }

// openSource is the source of alerts on loopback when none is configured.
const openSource = "default"

// generatedToken is the name under which the generated operator token acts.
const generatedToken = "operator"

// UnmarshalYAML validates.
func (t *TokenConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain TokenConfig
	if err := unmarshal((*plain)(t)); err != nil {
		return err
	}
	switch {
	case t.Name == "":
		return errors.New("token has no name: add the person's `name`; it appears in timelines")
	case CheckName(t.Name) != nil:
		return fmt.Errorf("token name %w", CheckName(t.Name))
	case t.Name == generatedToken:
		return fmt.Errorf("token name %q is the one of the generated token: choose another", t.Name)
	case t.Role != RoleViewer && t.Role != RoleOperator:
		return fmt.Errorf("token %s: role %q is not known: want viewer or operator", t.Name, t.Role)
	case t.Token == "" && t.TokenFile == "":
		return fmt.Errorf("token %s has no secret: add `token_file`, made by `openssl rand -hex 32`", t.Name)
	case t.Token != "" && t.TokenFile != "":
		return fmt.Errorf("token %s: give token or token_file, not both", t.Name)
	}
	return checkSecret(string(t.Token), "token "+t.Name)
}

// UnmarshalYAML validates.
func (s *SourceConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain SourceConfig
	if err := unmarshal((*plain)(s)); err != nil {
		return err
	}
	switch {
	case s.Name == "":
		return errors.New("source has no name: add `name: …`; it says which Alertmanager sent an alert")
	case CheckName(s.Name) != nil:
		return fmt.Errorf("source name %w", CheckName(s.Name))
	case s.Token != "" && s.TokenFile != "":
		return fmt.Errorf("source %s: give token or token_file, not both", s.Name)
	}
	if err := checkPath(s.Path); err != nil {
		return fmt.Errorf("source %s: %w", s.Name, err)
	}
	return checkSecret(string(s.Token), "source "+s.Name)
}

func (s SourceConfig) hasSecret() bool { return s.Token != "" || s.TokenFile != "" }

// ownPaths are the paths, and folders of paths, that no source may take.
var ownPaths = []string{"/api/v1", "/incidents", "/-", "/metrics", "/probe", "/sd", "/config", "/slack", "/debug"}

// WebhookPath is the path at which every source may post; a source's own path is added to it.
const WebhookPath = "/api/v1/alerts"

func checkPath(p string) error {
	if p == "" || p == WebhookPath {
		return nil
	}
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.ContainsAny(p, "?#%{} \t") {
		return fmt.Errorf("path %q must begin with / and be plain, such as /hooks/prod", p)
	}
	for _, own := range ownPaths {
		if p == "/api" || p == own || strings.HasPrefix(p, own+"/") {
			return fmt.Errorf("path %q is used by chronoops itself: choose another, such as /hooks/prod", p)
		}
	}
	return nil
}

// Validate refuses what would leave open whose credential or path it is. It reads no files; each of the joined errors is a
// *CredentialError.
func (c Credentials) Validate() error {
	var (
		errs        []error
		names, open []string
		secrets     = map[string]string{}
	)
	fault := func(part string, index int, format string, args ...any) {
		errs = append(errs, &CredentialError{part, index, fmt.Errorf(format, args...)})
	}
	unique := func(part string, index int, what, secret string) {
		if secret == "" {
			return
		}
		if other, ok := secrets[secret]; ok {
			fault(part, index, "%s and %s have the same secret: give each its own", other, what)
		}
		secrets[secret] = what
	}
	for i, t := range c.Tokens {
		if slices.Contains(names, t.Name) {
			fault(PartTokens, i, "token %s is configured twice: names must be unique", t.Name)
		}
		names = append(names, t.Name)
		unique(PartTokens, i, "token "+t.Name, string(t.Token))
	}
	names = nil
	for i, s := range c.Sources {
		if slices.Contains(names, s.Name) {
			fault(PartSources, i, "source %s is configured twice: names must be unique; the peers of a cluster are one source", s.Name)
		}
		names = append(names, s.Name)
		unique(PartSources, i, "source "+s.Name, string(s.Token))
		if s.hasSecret() {
			continue
		}
		if at := s.at(); slices.Contains(open, at) {
			fault(PartSources, i, "source %s cannot be told from another at %s: give it a token_file or a path of its own", s.Name, at)
		} else {
			open = append(open, at)
		}
	}
	return errors.Join(errs...)
}

// ReadSecrets reads every secret once and refuses one that cannot be read, or that two names share, as Auth does. Each of
// the joined errors is a *CredentialError.
func (c Credentials) ReadSecrets() error {
	return c.keys().check()
}

// SetDirectory makes relative file names relative to dir, the folder of the configuration file.
func (c *Credentials) SetDirectory(dir string) {
	for i := range c.Tokens {
		c.Tokens[i].TokenFile = config.JoinDir(dir, c.Tokens[i].TokenFile)
	}
	for i := range c.Sources {
		c.Sources[i].TokenFile = config.JoinDir(dir, c.Sources[i].TokenFile)
	}
}

// at is the path at which a source without a credential posts.
func (s SourceConfig) at() string {
	if s.Path == "" {
		return WebhookPath
	}
	return s.Path
}

// Paths are all paths at which alerts may be posted.
func (c Credentials) Paths() []string {
	paths := []string{WebhookPath}
	for _, s := range c.Sources {
		if !slices.Contains(paths, s.at()) {
			paths = append(paths, s.at())
		}
	}
	return paths
}
