package notify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/chronoops/chronoops/receiver"
)

// kindSlackBot is a channel of our own; "slack" is Alertmanager's slack_configs.
const kindSlackBot = "slackbot"

// slackBot posts with chat.postMessage: the first notice of an incident opens a thread, the others go into it.
type slackBot struct {
	conf    SlackBot
	id      string // of our channel, the key of its threads
	client  *http.Client
	threads Threads
	logger  *slog.Logger
}

func newSlackBot(conf SlackBot, id string, timeout time.Duration, threads Threads, logger *slog.Logger) *slackBot {
	return &slackBot{
		conf: conf, id: id, threads: threads, logger: logger,
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:               http.ProxyFromEnvironment,
				DialContext:         dialer(timeout),
				TLSHandshakeTimeout: timeout,
				DisableKeepAlives:   true,
			},
			// The token goes nowhere but to the configured address.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (s *slackBot) send(ctx context.Context, n receiver.Notice) (verdict, error) {
	token, err := s.token()
	if err != nil {
		return verdict{outcome: receiver.SendRefused, reason: "config"}, err
	}
	thread := s.thread(ctx, n.Incident)
	ts, v, err := s.post(ctx, token, n, thread)
	if thread != "" && slackCode(err) == "thread_not_found" { // somebody deleted the first message
		thread = ""
		ts, v, err = s.post(ctx, token, n, "")
	}
	if err != nil {
		return v, err
	}
	if thread == "" && n.Incident != 0 {
		if err := s.threads.SetThread(ctx, s.id, n.Incident, ts); err != nil {
			s.logger.Warn("Cannot keep the thread of an incident; the next page opens another", "channel", s.id, "incident", n.Incident, "err", err)
		}
	}
	return verdict{outcome: receiver.SendDelivered}, nil
}

// thread never fails: a page outside of its thread is better than none.
func (s *slackBot) thread(ctx context.Context, incident int64) string {
	if incident == 0 {
		return ""
	}
	ts, err := s.threads.Thread(ctx, s.id, incident)
	if err != nil {
		s.logger.Warn("Cannot look up the thread of an incident; the page opens another", "channel", s.id, "incident", incident, "err", err)
		return ""
	}
	return ts
}

func (s *slackBot) post(ctx context.Context, token string, n receiver.Notice, thread string) (string, verdict, error) {
	b := bounded(n)
	inert := harmless(kindSlackBot)
	options := []slack.MsgOption{
		slack.MsgOptionText(inert(subject(b)), false), // already escaped
		slack.MsgOptionBlocks(slackBlocks(b)...),
		slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionDisableMediaUnfurl(),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "chronoops_page", EventPayload: map[string]any{
			"page": b.ID, "incident": b.Incident, "kind": string(b.Kind), "repeated": b.Repeated,
		}}),
	}
	if thread != "" {
		options = append(options, slack.MsgOptionTS(thread))
		if !n.Kind.Closes() {
			options = append(options, slack.MsgOptionBroadcast()) // a reply alone alerts nobody in the channel
		}
	}
	var f flight
	api := slack.New(token, slack.OptionHTTPClient(s.client), slack.OptionAPIURL(s.conf.APIURL))
	_, ts, err := api.PostMessageContext(f.watch(ctx), s.conf.Channel, options...)
	if err != nil {
		return "", judgeSlack(err, &f), explainSlack(err)
	}
	return ts, verdict{}, nil
}

func (s *slackBot) token() (string, error) {
	if s.conf.TokenFile == "" {
		return s.conf.Token, nil
	}
	b, err := os.ReadFile(s.conf.TokenFile)
	if err != nil {
		return "", fmt.Errorf("read bot_token_file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("read bot_token_file: %w", &fs.PathError{Op: "read", Path: s.conf.TokenFile, Err: errors.New("the file is empty")})
	}
	return token, nil
}

func slackCode(err error) string {
	e, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok {
		return ""
	}
	return e.Err
}

// judgeSlack knows the error codes of chat.postMessage.
func judgeSlack(err error, f *flight) verdict {
	if e, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return verdict{outcome: receiver.SendRetry, reason: "rate_limited", retryAfter: e.RetryAfter}
	}
	if e, ok := errors.AsType[slack.StatusCodeError](err); ok {
		return judgeStatus(e.Code)
	}
	switch slackCode(err) {
	case "":
		if _, written, answered := f.state(); written && answered { // 200, and then nothing that can be read
			return verdict{outcome: receiver.SendUnknown, reason: "response"}
		}
		return judge(err, true, f)
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return verdict{outcome: receiver.SendRetry, reason: "rate_limited"}
	case "service_unavailable", "request_timeout", "team_added_to_org":
		return verdict{outcome: receiver.SendRetry, reason: "server_error"}
	case "internal_error", "fatal_error": // "some aspect of the operation may have succeeded"
		return verdict{outcome: receiver.SendUnknown, reason: "server_error"}
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
		"no_permission", "access_denied", "ekm_access_denied", "org_login_required":
		return verdict{outcome: receiver.SendRefused, reason: "auth"}
	}
	return verdict{outcome: receiver.SendRefused, reason: "client_error"}
}

// explainSlack adds what to do to the codes that a new installation meets.
func explainSlack(err error) error {
	switch slackCode(err) {
	case "not_in_channel", "channel_not_found":
		return fmt.Errorf("post to Slack: %w: invite the bot to the channel and check its id", err)
	case "missing_scope":
		return fmt.Errorf("post to Slack: %w: the token needs the scope chat:write", err)
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired":
		return fmt.Errorf("post to Slack: %w: make a new bot token", err)
	}
	return fmt.Errorf("post to Slack: %w", err)
}
