package redis

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// clientLabels are those of redis_connected_client_info.
var clientLabels = []string{"id", "name", "flags", "db", "host"}

var (
	// clientInfo has a label more on Redis 6 and two more on Redis 7, as the server tells more.
	clientInfo     = clientInfoWith()
	clientInfoUser = clientInfoWith("user")
	clientInfoResp = clientInfoWith("user", "resp")

	clientsLeftOut = &collector.Family{
		Name: "chronoops_redis_clients_left_out", Type: collector.Gauge,
		Help: "Connections that are not shown one by one; all of them if there are so many that the server is not asked.",
	}
)

func clientInfoWith(more ...string) *collector.Family {
	return &collector.Family{
		Name: "redis_connected_client_info", Type: collector.Gauge, Labels: slices.Concat(clientLabels, more),
		Help: "Always 1; a connection. A new one has a new id, so that series come and go: see client_list.",
	}
}

// clientField is a value of CLIENT LIST.
type clientField struct {
	key    string
	family *collector.Family
	ago    bool // seconds that become the time they began at
}

var connectionFields = []clientField{
	perClient("omem", "output_buffer_memory_usage_bytes", "Memory of the output buffer."),
	perClient("tot-mem", "total_memory_consumed_bytes", "Memory of all buffers of the connection."),
	perClient("age", "created_at_timestamp", "Unix time at which the connection began.").since(),
	perClient("idle", "idle_since_timestamp", "Unix time of the last command.").since(),
	perClient("sub", "channel_subscriptions_count", "Channels subscribed to."),
	perClient("psub", "pattern_matching_subscriptions_count", "Patterns subscribed to."),
	perClient("ssub", "shard_channel_subscriptions_count", "Shard channels subscribed to."),
	perClient("watch", "shard_channel_watched_keys", "Keys watched."),
	perClient("qbuf", "query_buffer_length_bytes", "Bytes in the input buffer."),
	perClient("qbuf-free", "query_buffer_free_space_bytes", "Free bytes of the input buffer."),
	perClient("obl", "output_buffer_length_bytes", "Bytes in the output buffer."),
	perClient("oll", "output_list_length", "Replies that wait because the output buffer is full."),
}

func perClient(key, name, help string) clientField {
	return clientField{key: key, family: &collector.Family{
		Name: "redis_connected_client_" + name, Type: collector.Gauge, Labels: []string{"id", "name"}, Help: help,
	}}
}

func (f clientField) since() clientField {
	f.ago = true
	return f
}

func clientFamilies() []*collector.Family {
	list := []*collector.Family{clientInfoResp, clientsLeftOut}
	for _, f := range connectionFields {
		list = append(list, f.family)
	}
	return list
}

const (
	// mostClients is how many connections become series: those that have been there longest.
	mostClients = 100
	// mostListed is how many connections a server may have to be asked for the list, of some 400 bytes each.
	mostListed = 5000
)

var clientList = newCommand(2, "CLIENT", "LIST")

func (c *Collector) clientCommands(*scrape) []command {
	if !c.cfg.ClientList || c.known.clients > mostListed {
		return nil
	}
	return []command{clientList}
}

func (c *Collector) writeClients(w *collector.Writer, s *scrape) error {
	if !c.cfg.ClientList {
		return nil
	}
	reply, ok, err := s.heard.get(clientList)
	if err != nil {
		return err
	}
	if !ok {
		w.Add(clientsLeftOut, c.known.clients)
		return fmt.Errorf("the server has more than %d connections: the list is not asked for", mostListed)
	}
	list := connections(reply.text())
	w.Add(clientsLeftOut, float64(max(0, len(list)-mostClients)))
	for _, one := range list[:min(len(list), mostClients)] {
		one.write(w, s.id.clock(s.now))
	}
	return nil
}

// connection is a line of CLIENT LIST.
type connection struct {
	id   uint64
	line string
}

// connections returns the lines of CLIENT LIST, oldest first.
func connections(text string) (list []connection) {
	for line := range strings.Lines(text) {
		first, _, _ := strings.Cut(line, " ")
		digits, ok := strings.CutPrefix(first, "id=")
		if id, err := strconv.ParseUint(digits, 10, 64); ok && err == nil {
			list = append(list, connection{id, line})
		}
	}
	slices.SortStableFunc(list, func(a, b connection) int { return cmp.Compare(a.id, b.id) })
	return list
}

// write records "id=3 addr=127.0.0.1:51 name= age=5 idle=0 flags=N db=0 …".
func (c connection) write(w *collector.Writer, now float64) {
	v := make(map[string]string)
	for word := range strings.FieldsSeq(c.line) {
		if key, value, ok := strings.Cut(word, "="); ok {
			v[key] = value
		}
	}
	host := v["addr"]
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	labels := []string{v["id"], v["name"], v["flags"], v["db"], host}
	_, user := v["user"]
	_, resp := v["resp"]
	switch {
	case user && resp:
		w.Add(clientInfoResp, 1, append(labels, v["user"], v["resp"])...)
	case user:
		w.Add(clientInfoUser, 1, append(labels, v["user"])...)
	default:
		w.Add(clientInfo, 1, labels...)
	}
	for _, f := range connectionFields {
		n, ok := number(v[f.key])
		if !ok {
			continue
		}
		if f.ago {
			n = now - n
		}
		w.Add(f.family, n, v["id"], v["name"])
	}
}
