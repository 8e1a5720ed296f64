package api

import (
	"errors"
	"fmt"
)

// Listener is what is known of the receiver's listener before it starts.
type Listener struct {
	Armed       bool // some policy may act: its mode in force is above shadow
	Contacts    int  // people who can be paged
	Credentials Credentials
	BasicAuth   bool // --web.config.file asks every request for HTTP Basic
	ClientCerts bool // --web.config.file asks every client for a certificate that it verifies
}

// CheckListener refuses a listener through which anybody could start a repair or page people, and one whose own
// credentials keep tokens out. The receiver must not start then; the error says what to do, as a *CredentialError where one
// source is meant.
func CheckListener(l Listener) error {
	var errs []error
	if l.BasicAuth {
		errs = append(errs, errors.New("basic_auth_users in --web.config.file covers the receiver's listener and takes the Authorization header that tokens need: "+
			"give the receiver a listener of its own with --receiver.listen-address, or use client certificates"))
	}
	if l.ClientCerts || (!l.Armed && l.Contacts == 0) {
		return errors.Join(errs...)
	}
	why := "people can be paged"
	if l.Armed {
		why = "a policy may act"
	}
	const remedy = "add `token_file` to it, and set authorization.credentials_file in the webhook's http_config in Alertmanager to the same secret " +
		"(`openssl rand -hex 32` makes one)"
	if len(l.Credentials.Sources) == 0 {
		errs = append(errs, fmt.Errorf("%s, and the webhook takes alerts without a credential: add a source to receiver.sources, %s", why, remedy))
	}
	for i, s := range l.Credentials.Sources {
		if !s.hasSecret() {
			errs = append(errs, &CredentialError{PartSources, i, fmt.Errorf("%s, and source %s sends alerts without a credential: %s", why, s.Name, remedy)})
		}
	}
	return errors.Join(errs...)
}
