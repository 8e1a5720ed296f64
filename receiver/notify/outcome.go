package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"time"

	amnotify "github.com/prometheus/alertmanager/notify"

	"github.com/chronoops/chronoops/receiver"
)

// verdict is an outcome with the word for the metric.
type verdict struct {
	outcome    receiver.SendOutcome
	reason     string
	retryAfter time.Duration
}

// judge reads what an Alertmanager integration lets us know. Its retry value says that trying again makes sense, not
// that nothing was delivered, so the flight decides wherever no answer was read.
func judge(err error, retry bool, f *flight) verdict {
	begun, written, answered := f.state()
	if v, ok := judgeAnswer(err, retry); ok {
		return v
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok && !begun {
		return verdict{outcome: receiver.SendRefused, reason: "config"} // a credential's file
	}
	_, transport := errors.AsType[*url.Error](err)
	switch {
	case answered && interrupted(err):
		return verdict{outcome: receiver.SendUnknown, reason: transportReason(err)}
	case answered:
		return verdict{outcome: retryable(retry), reason: "response"}
	case written:
		return verdict{outcome: receiver.SendUnknown, reason: transportReason(err)}
	case begun, transport && dialFailed(err):
		return notConnected(err)
	case transport: // by an integration that hides its requests
		return verdict{outcome: receiver.SendUnknown, reason: transportReason(err)}
	case interrupted(err):
		return verdict{outcome: receiver.SendRetry, reason: transportReason(err)}
	}
	return verdict{outcome: retryable(retry), reason: "config"}
}

// judgeAnswer recognises errors that stand for an answer of the provider.
func judgeAnswer(err error, retry bool) (verdict, bool) {
	text := err.Error()
	if m := statusText.FindStringSubmatch(text); m != nil {
		code, _ := strconv.Atoi(m[1])
		v := judgeStatus(code)
		if retry && v.outcome == receiver.SendRefused {
			v.outcome = receiver.SendRetry // PagerDuty limits its rate with 403
		}
		return v, true
	}
	if m := telegramText.FindStringSubmatch(text); m != nil {
		code, _ := strconv.Atoi(m[2])
		v := judgeStatus(code)
		if seconds, err := strconv.Atoi(m[1]); err == nil {
			v.retryAfter = time.Duration(seconds) * time.Second
		}
		return v, true
	}
	e, ok := errors.AsType[*amnotify.ErrorWithReason](err)
	if !ok {
		return verdict{}, false
	}
	switch e.Reason {
	case amnotify.RateLimitedReason:
		return verdict{outcome: receiver.SendRetry, reason: "rate_limited"}, true
	case amnotify.ServerErrorReason:
		return verdict{outcome: receiver.SendRetry, reason: "server_error"}, true
	case amnotify.AuthErrorReason:
		return verdict{outcome: receiver.SendRefused, reason: "auth"}, true
	case amnotify.ClientErrorReason:
		if retry { // accepted with 200, and then an answer that cannot be read
			return verdict{outcome: receiver.SendUnknown, reason: "response"}, true
		}
		return verdict{outcome: receiver.SendRefused, reason: "client_error"}, true
	default:
		return verdict{}, false
	}
}

// statusText and telegramText are how integrations word a provider's status code; a test holds them to it.
var (
	statusText   = regexp.MustCompile(`unexpected status code (\d{3})`)
	telegramText = regexp.MustCompile(`^telegram: .*?(?:retry after (\d+) )?\((\d{3})\)$`)
)

func judgeStatus(code int) verdict {
	switch {
	case code == http.StatusTooManyRequests:
		return verdict{outcome: receiver.SendRetry, reason: "rate_limited"}
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return verdict{outcome: receiver.SendRefused, reason: "auth"}
	case code == http.StatusRequestTimeout:
		return verdict{outcome: receiver.SendRetry, reason: "timeout"}
	case code == http.StatusGatewayTimeout: // the request went on to a server that did not answer in time
		return verdict{outcome: receiver.SendUnknown, reason: "server_error"}
	case code >= 500:
		return verdict{outcome: receiver.SendRetry, reason: "server_error"}
	}
	return verdict{outcome: receiver.SendRefused, reason: "client_error"}
}

// notConnected judges a failure before anything was written.
func notConnected(err error) verdict {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return verdict{outcome: receiver.SendRefused, reason: "tls"}
	}
	v := verdict{outcome: receiver.SendRetry, reason: "connect"}
	if timedOut(err) {
		v.reason = "timeout"
	}
	return v
}

func retryable(retry bool) receiver.SendOutcome {
	if retry {
		return receiver.SendRetry
	}
	return receiver.SendRefused
}

func dialFailed(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	_, dns := errors.AsType[*net.DNSError](err)
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	return dns || cert
}

func timedOut(err error) bool {
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// interrupted reports whether the connection or the time was lost, rather than something refused.
func interrupted(err error) bool {
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return timedOut(err) || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func transportReason(err error) string {
	switch {
	case timedOut(err):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "lost"
}
