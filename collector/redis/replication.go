package redis

import (
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// replicationFields is INFO's section Replication, less what carries labels.
var replicationFields = []field{
	gauge("connected_slaves", "connected_slaves", "Replicas connected."),
	gauge("repl_backlog_size", "replication_backlog_bytes", "Size of the replication backlog."),
	gauge("repl_backlog_active", "repl_backlog_is_active", "1 if there is a replication backlog."),
	gauge("repl_backlog_first_byte_offset", "repl_backlog_first_byte_offset", "Replication offset at which the backlog begins."),
	gauge("repl_backlog_histlen", "repl_backlog_history_bytes", "Bytes of data in the backlog."),
	gauge("master_repl_offset", "master_repl_offset", "The server's replication offset."),
	gauge("second_repl_offset", "second_repl_offset", "Offset up to which the former replication id is accepted; -1 for none."),
	gauge("slave_priority", "slave_priority", "The replica's priority in a failover."),
}

var (
	primaryLabels = []string{"master_host", "master_port"}
	replicaLabels = []string{"slave_ip", "slave_port", "slave_state"}

	linkUp = &collector.Family{
		Name: "redis_master_link_up", Type: collector.Gauge, Labels: primaryLabels,
		Help: "1 if the replica is connected to its primary.",
	}
	lastIO = &collector.Family{
		Name: "redis_master_last_io_seconds_ago", Type: collector.Gauge, Labels: primaryLabels,
		Help: "Seconds since the primary was heard last; -1 if the link is down.",
	}
	syncing = &collector.Family{
		Name: "redis_master_sync_in_progress", Type: collector.Gauge, Labels: primaryLabels,
		Help: "1 while the primary sends all its data to the replica.",
	}
	replicaOffset = &collector.Family{
		Name: "redis_slave_repl_offset", Type: collector.Gauge, Labels: primaryLabels,
		Help: "The replica's replication offset.",
	}
	replicaInfo = &collector.Family{
		Name: "redis_slave_info", Type: collector.Gauge, Labels: []string{"master_host", "master_port", "read_only"},
		Help: "Always 1 on a replica; the labels tell its primary.",
	}
	connectedOffset = &collector.Family{
		Name: "redis_connected_slave_offset_bytes", Type: collector.Gauge, Labels: replicaLabels,
		Help: "How far the replica has acknowledged.",
	}
	connectedLag = &collector.Family{
		Name: "redis_connected_slave_lag_seconds", Type: collector.Gauge, Labels: replicaLabels,
		Help: "Seconds since the replica acknowledged last.",
	}
)

func replicationFamilies() []*collector.Family {
	return []*collector.Family{linkUp, lastIO, syncing, replicaOffset, replicaInfo, connectedOffset, connectedLag}
}

// replication records a line with labels and reports whether it is one.
func replication(w *collector.Writer, id *identity, key, value string) bool {
	var family *collector.Family
	switch key {
	case "master_link_status":
		up := 0.0
		if value == "up" {
			up = 1
		}
		w.Add(linkUp, up, id.primaryHost, id.primaryPort)
		return true
	case "master_last_io_seconds_ago":
		family = lastIO
	case "master_sync_in_progress":
		family = syncing
	case "slave_repl_offset":
		family = replicaOffset
	default:
		return replica(w, key, value)
	}
	if v, ok := number(value); ok {
		w.Add(family, v, id.primaryHost, id.primaryPort)
	}
	return true
}

// replica records "slave0:ip=…,port=…,state=online,offset=…,lag=…".
func replica(w *collector.Writer, key, value string) bool {
	n, ok := strings.CutPrefix(key, "slave")
	if !ok {
		return false
	}
	if _, err := strconv.ParseUint(n, 10, 32); err != nil {
		return false
	}
	var ip, port, state, offset, lag string
	for p := (pairs{rest: value}); p.next(); {
		switch p.key {
		case "ip":
			ip = p.value
		case "port":
			port = p.value
		case "state":
			state = p.value
		case "offset":
			offset = p.value
		case "lag":
			lag = p.value
		}
	}
	if v, ok := number(offset); ok {
		w.Add(connectedOffset, v, ip, port, state)
	}
	if v, ok := number(lag); ok {
		w.Add(connectedLag, v, ip, port, state)
	}
	return true
}
