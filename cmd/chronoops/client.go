package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"

	"github.com/chronoops/chronoops/receiver/api"
)

const (
	callTimeout = 30 * time.Second // longer than the server takes for any request
	maxAnswer   = 64 << 20         // bytes
)

// client asks the running server. It never opens the server's store.
type client struct {
	console
	url       *url.URL
	tokenFile string
	storage   string
	output    string
	by        string
}

// newClient adds the flags of a command that talks to the server.
func newClient(cmd *kingpin.CmdClause, con console) *client {
	c := &client{console: con}
	cmd.Flag("url", "Address of the running chronoops.").Default("http://127.0.0.1:9847").Envar("CHRONOOPS_URL").URLVar(&c.url)
	cmd.Flag("token-file", "File with the token. Default: operator.token in the storage folder, for a server on this machine.").
		Envar("CHRONOOPS_TOKEN_FILE").StringVar(&c.tokenFile)
	cmd.Flag("storage.path", "The server's storage folder. Default: $STATE_DIRECTORY, else ./chronoops-data.").Default(defaultStorage()).StringVar(&c.storage)
	cmd.Flag("output", "table or json.").Default("table").EnumVar(&c.output, "table", "json")
	cmd.Flag("by", "Your name for the timeline; the token's name stands beside it.").Default(osUser()).StringVar(&c.by)
	return c
}

// defaultStorage is where the server keeps its state unless told.
func defaultStorage() string {
	// systemd lists several folders with colons.
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" {
		return dir
	}
	return "./chronoops-data"
}

// osUser is the person at the keyboard, also behind sudo; "" when the name would not be taken.
func osUser() string {
	name := os.Getenv("SUDO_USER")
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	if api.CheckName(name) != nil {
		return ""
	}
	return name
}

// unreachableError says that nobody answers at the address.
type unreachableError struct {
	url string
	err error
}

func (e *unreachableError) Error() string {
	return fmt.Sprintf("%s cannot be reached: %v: is chronoops running, and is --url right?", e.url, e.err)
}

func (e *unreachableError) Unwrap() error { return e.err }

// token reads the token to send. The operator token of this machine is never sent to another one. Why there is none is
// told when the server asks for one.
func (c *client) token() (token string, why, err error) {
	if c.tokenFile != "" {
		token, err = api.ReadToken(c.tokenFile)
		return token, nil, err
	}
	if !api.Loopback(c.url) {
		return "", errors.New("for a server on another machine, give --token-file"), nil
	}
	name := api.OperatorFile(c.storage)
	if token, err = api.ReadToken(name); err != nil {
		return "", fmt.Errorf("no token was sent: %w: give --token-file, or the server's --storage.path, and run as a user who may read it", err), nil
	}
	return token, nil, nil
}

// call sends one request and decodes the data of the answer; nothing is ever sent twice.
func (c *client) call(ctx context.Context, method, path string, body, into any) (json.RawMessage, error) {
	if (c.url.Scheme != "http" && c.url.Scheme != "https") || c.url.Host == "" {
		return nil, fmt.Errorf("--url %q is not an address such as http://127.0.0.1:9847", c.url.Redacted())
	}
	token, noToken, err := c.token()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	raw, err := c.do(req)
	if refused, ok := errors.AsType[*api.Error](err); ok && refused.Status == http.StatusUnauthorized && noToken != nil {
		return nil, fmt.Errorf("%w (%w)", err, noToken)
	}
	if err != nil {
		return nil, err
	}
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			return nil, fmt.Errorf("read answer of %s: %w: is this version of chronoops the server's?", c.url.Redacted(), err)
		}
	}
	return raw, nil
}

func (c *client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		send = bytes.NewReader(b)
	}
	path, query, _ := strings.Cut(path, "?")
	address := c.url.JoinPath(path)
	address.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, method, address.String(), send)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if send != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

func (c *client) do(req *http.Request) (json.RawMessage, error) {
	// A token must not follow a redirect to somewhere else.
	h := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer h.CloseIdleConnections()
	res, err := h.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return nil, &unreachableError{c.url.Redacted(), err}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, &unreachableError{c.url.Redacted(), err}
	}
	var answer api.Answer
	if err := json.Unmarshal(b, &answer); err != nil || answer.Status == "" {
		return nil, fmt.Errorf("%s answered %s and not as chronoops does: is --url right?", c.url.Redacted(), res.Status)
	}
	if answer.Status != "success" {
		return nil, &api.Error{Status: res.StatusCode, Code: answer.Code, Text: answer.Error}
	}
	return answer.Data, nil
}

// json reports whether the answer is wanted as JSON.
func (c *client) json() bool { return c.output == "json" }

// fail tells an error and returns the exit code.
func (c *client) fail(err error) int {
	printf(c.err, "chronoops: %s\n", err)
	if refused, ok := errors.AsType[*api.Error](err); ok && refused.Status == http.StatusBadRequest {
		return exitUsage
	}
	return exitFailed
}

// get asks for something and shows it, as JSON or by show.
func (c *client) get(ctx context.Context, path string, into any, show func()) int {
	raw, err := c.call(ctx, http.MethodGet, path, nil, into)
	if err == nil && c.json() {
		err = writeJSON(c.out, raw)
	}
	if err != nil {
		return c.fail(err)
	}
	if !c.json() {
		show()
	}
	return exitFine
}

// post asks for a change and shows the sentence that comes back.
func (c *client) post(ctx context.Context, path string, body any) error {
	var done api.Outcome
	raw, err := c.call(ctx, http.MethodPost, path, body, &done)
	if err != nil {
		return err
	}
	if c.json() {
		return writeJSON(c.out, raw)
	}
	printf(c.out, "%s\n", done.Text)
	return nil
}

// postOnly posts, and makes the exit code of it.
func (c *client) postOnly(ctx context.Context, path string, body any) int {
	if err := c.post(ctx, path, body); err != nil {
		return c.fail(err)
	}
	return exitFine
}
