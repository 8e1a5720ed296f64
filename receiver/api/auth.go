package api

import (
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
)

// AuthOptions of an Auth.
type AuthOptions struct {
	Credentials  Credentials
	OperatorFile string      // the generated operator token
	Guarded      func() bool // a repair could act or a person be paged: nothing goes without a credential
	Logger       *slog.Logger
}

// Auth decides who may send alerts, look and act.
type Auth struct {
	guarded func() bool
	log     *slog.Logger
	file    string
	current atomic.Pointer[keys]
}

type keys struct {
	tokens  []token
	sources []source
}

type token struct {
	secret
	name string
	role Role
}

type source struct {
	secret
	SourceConfig
}

// NewAuth reads every credential once, so that one that cannot be read is known at the start.
func NewAuth(o AuthOptions) (*Auth, error) {
	a := &Auth{guarded: o.Guarded, log: o.Logger, file: o.OperatorFile}
	return a, a.Set(o.Credentials)
}

// Set replaces the credentials; on an error the ones in force stay.
func (a *Auth) Set(c Credentials) error {
	if err := c.Validate(); err != nil {
		return err
	}
	k := c.keys()
	k.tokens = append(k.tokens, token{secret: secret{file: a.file}, name: generatedToken, role: RoleOperator})
	if err := k.check(); err != nil {
		return err
	}
	a.current.Store(k)
	return nil
}

func (c Credentials) keys() *keys {
	k := &keys{}
	for _, t := range c.Tokens {
		k.tokens = append(k.tokens, token{secret: secret{string(t.Token), t.TokenFile}, name: t.Name, role: t.Role})
	}
	for _, s := range c.Sources {
		k.sources = append(k.sources, source{secret: secret{string(s.Token), s.TokenFile}, SourceConfig: s})
	}
	return k
}

// check reads every secret and refuses one that two names share.
func (k *keys) check() error {
	var errs []error
	owners := map[string]string{}
	add := func(s secret, part string, index int, owner string) {
		value, err := s.read()
		if err != nil {
			errs = append(errs, &CredentialError{part, index, fmt.Errorf("%s: %w", owner, err)})
			return
		}
		if other, ok := owners[value]; ok {
			errs = append(errs, &CredentialError{part, index, fmt.Errorf("%s and %s have the same secret: give each its own", other, owner)})
		}
		owners[value] = owner
	}
	for i, t := range k.tokens {
		add(t.secret, PartTokens, i, "token "+t.name)
	}
	for i, s := range k.sources {
		if s.hasSecret() {
			add(s.secret, PartSources, i, "source "+s.Name)
		}
	}
	return errors.Join(errs...)
}

// errUnknown tells nothing about which credentials exist.
var errUnknown = errors.New("the credential is not known")

// Source names the sender of a webhook request: by its credential or its path, never by the body. An error is safe to show.
func (a *Auth) Source(r *http.Request) (string, error) {
	k := a.current.Load()
	if r.Header.Get("Authorization") != "" {
		presented, ok := bearer(r)
		if !ok {
			_, presented, ok = r.BasicAuth()
		}
		if !ok {
			return "", errors.New("the Authorization header is neither Bearer nor Basic")
		}
		return a.bySecret(k, r, presented)
	}
	name, err := k.byPath(r.URL.Path)
	if err != nil {
		return "", err
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return name, nil
	}
	if err := a.openWebhook(r); err != nil {
		return "", fmt.Errorf("a credential is needed (%w): set authorization.credentials_file in the webhook's http_config "+
			"in Alertmanager, and the same token_file under receiver.sources", err)
	}
	return name, nil
}

func (a *Auth) bySecret(k *keys, r *http.Request, presented string) (string, error) {
	var matched []source
	for _, s := range k.sources {
		if s.hasSecret() && a.matches(s.secret, presented, "source", s.Name) {
			matched = append(matched, s)
		}
	}
	switch {
	case len(matched) != 1:
		return "", errUnknown
	case matched[0].Path != "" && matched[0].Path != r.URL.Path:
		return "", fmt.Errorf("source %s posts to %s only", matched[0].Name, matched[0].Path)
	}
	return matched[0].Name, nil
}

// byPath finds the source without a secret that posts to a path.
func (k *keys) byPath(path string) (string, error) {
	if len(k.sources) == 0 {
		return openSource, nil
	}
	for _, s := range k.sources {
		if !s.hasSecret() && s.at() == path {
			return s.Name, nil
		}
	}
	return "", errors.New("a credential is needed: no source without one posts to this path")
}

// openWebhook refuses a webhook request without a credential unless it is harmless: from this machine, by a program, while
// nothing could act or page. JSON and no Origin keep out every browser, whatever page it shows.
func (a *Auth) openWebhook(r *http.Request) error {
	if a.guarded() {
		return errors.New("a policy may act, or people are paged")
	}
	if err := checkLocal(r); err != nil {
		return err
	}
	if len(r.Header.Values("Origin")) > 0 {
		return errors.New("the request comes from a browser")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return errors.New("the body is not application/json")
	}
	return nil
}

// View lets viewers and operators pass, and, while nothing could act or page, everybody on this machine. A browser may give
// the token as the password of HTTP Basic, with any user name.
func (a *Auth) View(r *http.Request) error {
	if r.Header.Get("Authorization") == "" {
		return a.openView(r)
	}
	presented, ok := bearer(r)
	if !ok {
		_, presented, ok = r.BasicAuth()
	}
	if !ok {
		return unauthorized(viewChallenge, "the Authorization header is neither Bearer nor Basic")
	}
	if foreignOrigin(r) {
		return forbidden("the request comes from a page of another site")
	}
	if _, ok := a.find(presented); !ok {
		return unauthorized(viewChallenge, errUnknown.Error())
	}
	return nil
}

func (a *Auth) openView(r *http.Request) error {
	why := errors.New("a policy may act, or people are paged")
	if !a.guarded() {
		why = checkLocal(r)
		if why == nil && foreignOrigin(r) {
			return forbidden("the request comes from a page of another site")
		}
	}
	if why == nil {
		return nil
	}
	return unauthorized(viewChallenge, fmt.Sprintf("a token is needed to look (%v): send it as bearer token, or as the password of HTTP Basic "+
		"with any user name; the operator's is in %s on the server", why, a.file))
}

// Operate names the operator of a request. It takes bearer tokens only: a browser sends Basic credentials by itself, for
// any page that asks it to.
func (a *Auth) Operate(r *http.Request) (Person, error) {
	presented, ok := bearer(r)
	if !ok {
		return Person{}, unauthorized("Bearer", "an operator token is needed, as bearer token: the generated one is in "+a.file+" on the server")
	}
	if foreignOrigin(r) {
		return Person{}, forbidden("the request comes from a page of another site")
	}
	t, ok := a.find(presented)
	switch {
	case !ok:
		return Person{}, unauthorized("Bearer", errUnknown.Error())
	case t.role != RoleOperator:
		return Person{}, forbidden(fmt.Sprintf("token %s may look and not act: an operator token is needed", t.name))
	}
	return Person{Token: t.name, By: r.Header.Get("X-Chronoops-User")}, nil
}

func (a *Auth) find(presented string) (token, bool) {
	var matched []token
	for _, t := range a.current.Load().tokens {
		if a.matches(t.secret, presented, "token", t.name) {
			matched = append(matched, t)
		}
	}
	if len(matched) != 1 {
		return token{}, false
	}
	return matched[0], true
}

func (a *Auth) matches(s secret, presented, kind, name string) bool {
	ok, err := s.matches(presented)
	if err != nil {
		a.log.Error("Credential cannot be checked and is refused", "kind", kind, "name", name, "err", err)
	}
	return ok && err == nil
}

func bearer(r *http.Request) (string, bool) {
	scheme, value, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	value = strings.TrimSpace(value)
	return value, ok && strings.EqualFold(scheme, "Bearer") && value != ""
}
