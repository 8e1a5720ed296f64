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
	{"max number of clients", collector.ReasonFull},
	{"DB index is out of range", collector.ReasonDatabase},
}

// reason names why the server could not be read.
func reason(err error) string {
	var (
		cfg   *configError
		reply goredis.Error
	)
	switch {
	case errors.As(err, &cfg):
		return collector.ReasonConfig
	case errors.Is(err, goredis.ErrPoolTimeout):
		return collector.ReasonTimeout
	case errors.As(err, &reply):
		for _, r := range replies {
			if strings.Contains(reply.Error(), r.text) {
				return r.reason
			}
		}
		return collector.ReasonError
	}
	return collector.NetReason(err)
}

// describe gives an error words that stay the same from scrape to scrape.
func describe(err error) string {
	var reply goredis.Error
	if errors.As(err, &reply) {
		return reply.Error()
	}
	if text := collector.NetError(err); text != "" {
		return text
	}
	return err.Error()
}

// refused reports whether the server will not carry out the command however often it is asked.
func refused(err error) bool {
	var reply goredis.Error
	return errors.As(err, &reply) &&
		(strings.HasPrefix(reply.Error(), "NOPERM") || strings.HasPrefix(reply.Error(), "ERR unknown"))
}
