package redis

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// The roles of a node.
const (
	rolePrimary  = "primary"
	roleReplica  = "replica"
	roleSentinel = "sentinel"
)

// node is a server of a cluster, or one that a sentinel knows.
type node struct {
	id      string // in a cluster
	address string // host:port
	role    string
	shard   string // what is common to a primary and its replicas: the primary's id
	failing bool
	itself  bool // the one that was asked
	slots   []slotRange
}

// slotRange is slots from first to last.
type slotRange struct{ first, last int }

// clusterNodes reads CLUSTER NODES, lines of
//
//	id host:port@busport[,hostname[,name=value…]] flags primary ping-sent pong-received epoch link-state slot slot-slot …
//
// A node that does not know its own address is at host, where it was asked.
func clusterNodes(text, host string, hostnames bool) (nodes []node) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 8 {
			continue
		}
		flags := strings.Split(words[2], ",")
		address, ok := nodeAddress(words[1], host, hostnames)
		if !ok || slices.Contains(flags, "noaddr") || slices.Contains(flags, "handshake") {
			continue
		}
		n := node{
			id: words[0], address: address, role: rolePrimary, shard: words[0],
			failing: slices.Contains(flags, "fail") || slices.Contains(flags, "fail?"),
			itself:  slices.Contains(flags, "myself"),
			slots:   slotRanges(words[8:]),
		}
		if !slices.Contains(flags, "master") {
			n.role, n.shard = roleReplica, words[3]
		}
		nodes = append(nodes, n)
	}
	for i := range nodes {
		for _, primary := range nodes {
			if nodes[i].role == roleReplica && primary.id == nodes[i].shard {
				nodes[i].slots = primary.slots
			}
		}
	}
	return nodes
}

// nodeAddress reads host:port@busport,hostname; IPv6 is without brackets there.
func nodeAddress(word, asked string, hostnames bool) (string, bool) {
	word, names, _ := strings.Cut(word, ",")
	name, _, _ := strings.Cut(names, ",")
	word, _, _ = strings.Cut(word, "@")
	i := strings.LastIndexByte(word, ':')
	if i < 0 {
		return "", false
	}
	host, port := word[:i], word[i+1:]
	switch {
	case hostnames && name != "" && !strings.Contains(name, "="):
		host = name
	case host == "":
		host = asked
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return "", false
	}
	return net.JoinHostPort(host, port), true
}

// slotRanges reads "0-5460 9000"; slots that move are in brackets and do not count.
func slotRanges(words []string) (ranges []slotRange) {
	for _, w := range words {
		first, last, isRange := strings.Cut(w, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err1 == nil && err2 == nil && from >= 0 && to < slots {
			ranges = append(ranges, slotRange{from, to})
		}
	}
	return ranges
}

// owns reports whether the key is in the node's slots; outside a cluster all are.
func (n *node) owns(key string) bool {
	if n.id == "" {
		return true
	}
	slot := slotOf(key)
	return slices.ContainsFunc(n.slots, func(r slotRange) bool { return r.first <= slot && slot <= r.last })
}

// sentinelNodes makes nodes of what a sentinel tells of one primary and what is around it.
func sentinelNodes(primary map[string]string, replicas, sentinels []map[string]string) (nodes []node) {
	add := func(fields map[string]string, role string) {
		port, err := strconv.ParseUint(fields["port"], 10, 16)
		if err != nil || port == 0 || fields["ip"] == "" {
			return
		}
		flags := strings.Split(fields["flags"], ",")
		nodes = append(nodes, node{
			address: net.JoinHostPort(fields["ip"], fields["port"]), role: role, shard: primary["name"],
			failing: slices.Contains(flags, "s_down") || slices.Contains(flags, "o_down") || slices.Contains(flags, "disconnected") ||
				role == roleReplica && fields["master-link-status"] == "err",
		})
	}
	add(primary, rolePrimary)
	for _, r := range replicas {
		add(r, roleReplica)
	}
	for _, s := range sentinels {
		add(s, roleSentinel)
	}
	return nodes
}

// choose returns for each shard the address of the node that is asked about keys: a replica that is up if there is one,
// so that the primary has its time for clients.
func choose(nodes []node, from KeysFrom) map[string]string {
	chosen := make(map[string]string)
	best := make(map[string]node)
	for _, n := range nodes {
		switch {
		case n.role == roleSentinel,
			n.role == rolePrimary && from == KeysFromReplica,
			n.role == roleReplica && from == KeysFromPrimary:
			continue
		}
		if have, ok := best[n.shard]; !ok || better(n, have) {
			best[n.shard], chosen[n.shard] = n, n.address
		}
	}
	return chosen
}

// better reports whether a is to be asked rather than b.
func better(a, b node) bool {
	switch {
	case a.failing != b.failing:
		return !a.failing
	case a.role != b.role:
		return a.role == roleReplica
	default:
		return a.address < b.address
	}
}
