package notify

import (
	"encoding/base64"
	"errors"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// secrets knows every credential of a configuration and takes them out of texts. Files are read when a text is
// cleaned, since they may have been rotated.
type secrets struct {
	values []string
	files  []string
}

// shortestSecret is the length from which a value is taken out of texts; shorter ones would take words apart.
const shortestSecret = 4

// collect walks a configuration as it was written.
func (s *secrets) collect(v any, key string) {
	switch v := v.(type) {
	case map[string]any:
		user, _ := v["username"].(string)
		password, _ := v["password"].(string)
		if user != "" && password != "" {
			s.add(base64.StdEncoding.EncodeToString([]byte(user + ":" + password)))
		}
		for k, value := range v {
			if carriesSecrets(key) {
				k = key
			}
			s.collect(value, k)
		}
	case map[any]any:
		for k, value := range v {
			name, _ := k.(string)
			if carriesSecrets(key) {
				name = key
			}
			s.collect(value, name)
		}
	case []any:
		for _, value := range v {
			s.collect(value, key)
		}
	case string:
		switch {
		case strings.HasSuffix(key, "_file"):
			s.files = append(s.files, v)
		case strings.Contains(v, "://"):
			s.values = append(s.values, urlSecrets(v)...)
		case secretKey(key):
			s.add(v)
		}
	}
}

// carriesSecrets names the blocks in which any text may be a credential.
func carriesSecrets(key string) bool {
	return slices.Contains([]string{"http_headers", "proxy_connect_header", "payload", "oauth2", "authorization", "basic_auth"}, key)
}

func secretKey(key string) bool {
	for _, part := range []string{"token", "secret", "password", "_key", "credential", "bearer"} {
		if strings.Contains(key, part) {
			return true
		}
	}
	return carriesSecrets(key)
}

func (s *secrets) add(value string) {
	if len(value) < shortestSecret {
		return
	}
	for _, form := range []string{
		value, url.QueryEscape(value), url.PathEscape(value), base64.StdEncoding.EncodeToString([]byte(value)),
	} {
		if !slices.Contains(s.values, form) {
			s.values = append(s.values, form)
		}
	}
}

// urlSecrets are the parts of a URL that may be credentials: all of it but scheme and host.
func urlSecrets(text string) []string {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return []string{text}
	}
	var found secrets
	if password, ok := u.User.Password(); ok {
		found.add(password)
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if len(part) >= 8 { // "services", "hooks": short parts are names of an API
			found.add(part)
		}
	}
	for _, values := range u.Query() {
		for _, value := range values {
			found.add(value)
		}
	}
	return append(found.values, text)
}

// all returns the known values and what the files hold now, longest first.
func (s *secrets) all() []string {
	now := secrets{values: slices.Clone(s.values)}
	for _, name := range s.files {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		text := strings.TrimSpace(string(b))
		if strings.Contains(text, "://") {
			now.values = append(now.values, urlSecrets(text)...)
			continue
		}
		now.add(text)
	}
	slices.SortFunc(now.values, func(a, b string) int { return len(b) - len(a) })
	return now.values
}

var (
	pastHost   = regexp.MustCompile(`(https?://)([^\s/"'@]*@)?([^\s/"'?]+)[/?][^\s"']*`)
	slackToken = regexp.MustCompile(`\bxox[a-z]+-[0-9A-Za-z-]+|\bxapp-[0-9A-Za-z-]+`)
)

const longestError = 400 // runes; part of it is what a remote server chose to answer

// clean takes credentials out of a text and makes it fit for a log line.
func (s *secrets) clean(text string) string {
	for _, value := range s.all() {
		text = strings.ReplaceAll(text, value, hidden)
	}
	// Past the scheme and host, a URL nobody configured (a redirect, an echo) may hold one too; so may anything that looks
	// like one of Slack's tokens.
	text = pastHost.ReplaceAllString(text, "$1$3/…")
	text = slackToken.ReplaceAllString(text, hidden)
	return line(text, longestError)
}

// wrap returns an error of which nothing but the cleaned text is left: its chain may hold URLs.
func (s *secrets) wrap(err error) error { return errors.New(s.clean(err.Error())) }
