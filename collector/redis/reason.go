package redis

import (
	"errors"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chronoops/chronoops/collector"
)

// replies are the error replies that say why a server cannot be read. Redis before 6 has no codes for some of them.
var replies = []struct{ text, reason string }{
	{"NOAUTH", collector.ReasonAnonymous},
	{"WRONGPASS", collector.ReasonCredentials},
	{"invalid password", collector.ReasonCredentials},
	{"without any password configured", collector.ReasonCredentials},
	{"no password is set", collector.ReasonCredentials},
	{"NOPERM", collector.ReasonPermission},
	{"DENIED", collector.ReasonPermission}, // protected mode
	{"LOADING", collector.ReasonStarting},
	{"MASTERDOWN", collector.ReasonNoPrimary},
	{"BUSY", collector.ReasonBusy}, // a script runs for too long
	{"max number of clients", collector.ReasonFull},
	{"DB index is out of range", collector.ReasonDatabase},
}

// saidByServer returns the text of an error reply.
func saidByServer(err error) (string, bool) {
	var (
		reply goredis.Error
		raw   replyError
		bye   farewell
	)
	switch {
	case errors.As(err, &raw):
		return raw.Error(), true
	case errors.As(err, &reply):
		return reply.Error(), true
	case errors.As(err, &bye):
		return bye.Error(), true
	default:
		return "", false
	}
}

// reason names why the server could not be read.
func reason(err error) string {
	if _, ok := errors.AsType[*configError](err); ok {
		return collector.ReasonConfig
	}
	if errors.Is(err, goredis.ErrPoolTimeout) {
		return collector.ReasonTimeout
	}
	text, ok := saidByServer(err)
	if !ok {
		return collector.NetReason(err)
	}
	for _, r := range replies {
		if strings.Contains(text, r.text) {
			return r.reason
		}
	}
	return collector.ReasonError
}

// describe gives an error words that stay the same from scrape to scrape.
func describe(err error) string {
	if text, ok := saidByServer(err); ok {
		return text
	}
	if text := collector.NetError(err); text != "" {
		return text
	}
	return err.Error()
}

// forbidden reports whether the user may not run the command.
func forbidden(err error) bool {
	text, ok := saidByServer(err)
	return ok && strings.HasPrefix(text, "NOPERM")
}

// unknownCommand reports whether the server does not have the command.
func unknownCommand(err error) bool {
	text, ok := saidByServer(err)
	return ok && (strings.HasPrefix(text, "ERR unknown") || strings.HasPrefix(text, "ERR Unknown"))
}
