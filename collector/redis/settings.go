package redis

import (
	"context"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chronoops/chronoops/collector"
)

// setting is a parameter that becomes a metric. They are asked for by name: CONFIG GET * has passwords in it, and before
// Redis 7 a command takes one name only.
type setting struct {
	name   string
	family *collector.Family
}

func settings() []setting {
	return []setting{
		{"maxclients", configMaxClients},
		{"maxmemory", configMaxMemory},
		{"io-threads", configIOThreads},
		{"repl-backlog-size", configBacklog},
		{"client-output-buffer-limit", nil},
		{"databases", nil},
	}
}

var (
	configMaxClients = &collector.Family{
		Name: "redis_config_maxclients", Type: collector.Gauge, Help: "Most clients the server is configured to accept.",
	}
	configMaxMemory = &collector.Family{
		Name: "redis_config_maxmemory", Type: collector.Gauge, Help: "The configured limit on memory in bytes; 0 for none.",
	}
	configIOThreads = &collector.Family{
		Name: "redis_config_io_threads", Type: collector.Gauge, Help: "The configured number of I/O threads.",
	}
	configBacklog = &collector.Family{
		Name: "redis_config_repl_backlog_size", Type: collector.Gauge, Help: "The configured size of the replication backlog in bytes.",
	}
	outputLimit = &collector.Family{
		Name: "redis_config_client_output_buffer_limit_bytes", Type: collector.Gauge, Labels: []string{"class", "limit"},
		Help: "Output buffer at which a client of the class is cut off, at once (hard) or after a while (soft); 0 for none.",
	}
	outputWhile = &collector.Family{
		Name: "redis_config_client_output_buffer_limit_overcome_seconds", Type: collector.Gauge, Labels: []string{"class", "limit"},
		Help: "How long a client of the class may stay above the soft limit.",
	}
	slowlogLength = &collector.Family{
		Name: "redis_slowlog_length", Type: collector.Gauge, Help: "Entries in the log of slow commands.",
	}
)

func configFamilies() []*collector.Family {
	list := []*collector.Family{outputLimit, outputWhile}
	for _, s := range settings() {
		if s.family != nil {
			list = append(list, s.family)
		}
	}
	return list
}

// askAgain is when a command that was refused is tried again; each refusal leaves an entry in the server's ACL log.
const askAgain = 5 * time.Minute

// refusal remembers that the server does not carry out a command.
type refusal struct {
	err   error
	until time.Time
}

func (r *refusal) active(now time.Time) bool { return r.err != nil && now.Before(r.until) }

// note takes the outcome of an attempt.
func (r *refusal) note(err error, now time.Time) {
	r.err = nil
	if refused(err) {
		r.err, r.until = err, now.Add(askAgain)
	}
}

// configReplies is what is on its way to the settings of this scrape.
type configReplies []*goredis.MapStringStringCmd

func askConfig(ctx context.Context, p goredis.Pipeliner) configReplies {
	var replies configReplies
	for _, s := range settings() {
		replies = append(replies, p.ConfigGet(ctx, s.name))
	}
	return replies
}

func (r configReplies) err() error {
	for _, cmd := range r {
		if err := cmd.Err(); err != nil {
			return err
		}
	}
	return nil
}

// databases returns how many databases the server has; 0 if that is not known.
func (r configReplies) databases() int {
	for _, cmd := range r {
		if n, err := strconv.Atoi(cmd.Val()["databases"]); err == nil {
			return n
		}
	}
	return 0
}

func (r configReplies) write(w *collector.Writer) error {
	for i, s := range settings() {
		values, err := r[i].Result()
		if err != nil {
			return refusedError("CONFIG GET", err)
		}
		value, ok := values[s.name]
		if !ok {
			continue // not in this version
		}
		if s.name == "client-output-buffer-limit" {
			writeOutputLimits(w, value)
		} else if v, ok := number(value); ok && s.family != nil {
			w.Add(s.family, v)
		}
	}
	return nil
}

// writeOutputLimits reads "normal 0 0 0 slave 268435456 67108864 60 …": class, hard limit, soft limit, seconds.
func writeOutputLimits(w *collector.Writer, s string) {
	words := strings.Fields(s)
	for ; len(words) >= 4; words = words[4:] {
		if v, ok := number(words[1]); ok {
			w.Add(outputLimit, v, words[0], "hard")
		}
		if v, ok := number(words[2]); ok {
			w.Add(outputLimit, v, words[0], "soft")
		}
		if v, ok := number(words[3]); ok {
			w.Add(outputWhile, v, words[0], "soft")
		}
	}
}
