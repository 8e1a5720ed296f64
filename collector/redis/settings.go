package redis

import (
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

func configGauge(name, help string) *collector.Family {
	return &collector.Family{Name: "redis_config_" + name, Type: collector.Gauge, Help: help}
}

var (
	configMaxClients = configGauge("maxclients", "Most clients the server is configured to accept.")
	configMaxMemory  = configGauge("maxmemory", "The configured limit on memory in bytes; 0 for none.")
	configIOThreads  = configGauge("io_threads", "The configured number of I/O threads.")
	configBacklog    = configGauge("repl_backlog_size", "The configured size of the replication backlog in bytes.")

	outputLimit = &collector.Family{
		Name: "redis_config_client_output_buffer_limit_bytes", Type: collector.Gauge, Labels: []string{"class", "limit"},
		Help: "Output buffer at which a client of the class is cut off, at once (hard) or after a while (soft); 0 for none.",
	}
	outputWhile = &collector.Family{
		Name: "redis_config_client_output_buffer_limit_overcome_seconds", Type: collector.Gauge, Labels: []string{"class", "limit"},
		Help: "How long a client of the class may stay above the soft limit.",
	}
)

const (
	settingDatabases    = "databases"
	settingOutputLimits = "client-output-buffer-limit"
)

// settingGauges are the parameters that become a metric each. They are asked for by name: CONFIG GET * has passwords.
var settingGauges = []struct {
	name   string
	family *collector.Family
}{
	{"maxclients", configMaxClients},
	{"maxmemory", configMaxMemory},
	{"io-threads", configIOThreads},
	{"repl-backlog-size", configBacklog},
}

// valkeySettings are those that only Valkey has, since 8.1.
var valkeySettings = []struct {
	name   string
	family *collector.Family
}{
	{"commandlog-execution-slower-than", commandlogGauge("execution_slower_than", "Microseconds above which a command is logged as slow.")},
	{"commandlog-slow-execution-max-len", commandlogGauge("slow_execution_max_len", "Most entries in the log of slow commands.")},
	{"commandlog-request-larger-than", commandlogGauge("request_larger_than", "Bytes above which a request is logged as large.")},
	{"commandlog-large-request-max-len", commandlogGauge("large_request_max_len", "Most entries in the log of large requests.")},
	{"commandlog-reply-larger-than", commandlogGauge("reply_larger_than", "Bytes above which a reply is logged as large.")},
	{"commandlog-large-reply-max-len", commandlogGauge("large_reply_max_len", "Most entries in the log of large replies.")},
}

func configFamilies() []*collector.Family {
	list := []*collector.Family{outputLimit, outputWhile}
	for _, g := range settingGauges {
		list = append(list, g.family)
	}
	for _, g := range valkeySettings {
		list = append(list, g.family)
	}
	return list
}

// readAgain bounds how long settings are believed.
const readAgain = 10 * time.Minute

// settings are the parameters of a server, read again once somebody may have set one.
type settings struct {
	values map[string]string
	at     time.Time
	sets   float64 // what the server counted after they were read
}

// settingsCommands asks for the parameters, unless they are known.
func (c *Collector) settingsCommands(s *scrape) []command {
	k := &c.known
	if k.sentinel || k.settings.values != nil && s.now.Sub(k.settings.at) < readAgain && !k.settingsChanged(s) {
		return nil
	}
	return k.configGets()
}

// settingsChanged reports whether INFO, once it is there, tells that somebody may have set a parameter.
func (k *known) settingsChanged(s *scrape) bool {
	if s.info == nil {
		return false
	}
	n, ok := k.sets(s)
	return ok && n != k.settings.sets
}

// configGets returns one command for all parameters, or one for each before Redis 7.
func (k *known) configGets() []command {
	names := []string{settingDatabases, settingOutputLimits}
	for _, g := range settingGauges {
		names = append(names, g.name)
	}
	if k.valkey.since(8, 1) {
		for _, g := range valkeySettings {
			names = append(names, g.name)
		}
	}
	if k.version.since(7, 0) {
		return []command{newCommand(2, append([]string{"CONFIG", "GET"}, names...)...)}
	}
	var list []command
	for _, name := range names {
		list = append(list, newCommand(2, "CONFIG", "GET", name))
	}
	return list
}

// sets returns a count that changes whenever somebody sets a parameter. Before Redis 7 it counts every use of CONFIG.
func (k *known) sets(s *scrape) (n float64, ok bool) {
	cmd := "config"
	if k.version.since(7, 0) {
		cmd = "config|set"
	}
	c, ok := s.callsOf(cmd)
	return c.n, ok
}

// learnSettings takes the replies of CONFIG GET, if it was asked for.
func (k *known) learnSettings(s *scrape) error {
	commands := k.configGets()
	values := make(map[string]string)
	for _, one := range commands {
		reply, ok, err := s.heard.get(one)
		if err != nil {
			k.settings = settings{}
			return err
		}
		if !ok {
			return nil // not asked for: they are known
		}
		reply.pairs(func(name string, value cursor) { values[strings.Clone(name)] = strings.Clone(value.text()) })
	}
	k.settings = settings{values: values, at: s.now}
	k.settings.sets, _ = k.sets(s)
	if !k.version.since(7, 0) {
		k.settings.sets += float64(len(commands)) // ours, after INFO
	}
	return nil
}

func (c *Collector) writeConfig(w *collector.Writer, s *scrape) error {
	if s.id.mode == "sentinel" {
		return nil
	}
	values := c.known.settings.values
	for _, g := range settingGauges {
		if v, ok := number(values[g.name]); ok {
			w.Add(g.family, v)
		}
	}
	for _, g := range valkeySettings {
		if v, ok := number(values[g.name]); ok {
			w.Add(g.family, v)
		}
	}
	writeOutputLimits(w, values[settingOutputLimits])
	return s.settingsErr
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
