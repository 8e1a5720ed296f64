package redis

import (
	"math"
	"time"

	"github.com/chronoops/chronoops/collector"
)

var (
	instanceInfo = &collector.Family{
		Name: "redis_instance_info", Type: collector.Gauge,
		Labels: []string{
			"role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy", "tcp_port", "run_id",
			"process_id", "master_replid",
		},
		Help: "Always 1; the labels tell what the server is.",
	}
	startTime = &collector.Family{
		Name: "redis_start_time_seconds", Type: collector.Gauge, Help: "Unix time at which the server started.",
	}
)

// identity is what INFO tells of the server as a whole. Its strings are parts of the reply.
type identity struct {
	role, version, buildID, mode, os, policy, port, runID, pid, replID string
	primaryHost, primaryPort, readOnly                                 string
	cluster                                                            bool
	uptime, serverTime                                                 float64 // seconds; serverTime 0 if not told
	hasUptime                                                          bool
}

func identify(info string) identity {
	var id identity
	for s := (scanner{rest: info}); s.next(); {
		switch s.key {
		case "role":
			id.role = s.value
		case "redis_version":
			id.version = s.value
		case "redis_build_id":
			id.buildID = s.value
		case "redis_mode":
			id.mode = s.value
		case "os":
			id.os = s.value
		case "maxmemory_policy":
			id.policy = s.value
		case "tcp_port":
			id.port = s.value
		case "run_id":
			id.runID = s.value
		case "process_id":
			id.pid = s.value
		case "master_replid":
			id.replID = s.value
		case "master_host":
			id.primaryHost = s.value
		case "master_port":
			id.primaryPort = s.value
		case "slave_read_only":
			id.readOnly = s.value
		case "cluster_enabled":
			id.cluster = s.value == "1"
		case "uptime_in_seconds":
			id.uptime, id.hasUptime = number(s.value)
		case "server_time_usec":
			usec, _ := number(s.value)
			id.serverTime = math.Floor(usec / 1e6)
		}
	}
	return id
}

func (id *identity) write(w *collector.Writer) {
	w.Add(instanceInfo, 1, id.role, id.version, id.buildID, id.mode, id.os, id.policy, id.port, id.runID, id.pid, id.replID)
	if id.role == "slave" {
		w.Add(replicaInfo, 1, id.primaryHost, id.primaryPort, id.readOnly)
	}
}

// started remembers when a server started: computed anew each time it would waver by a second.
type started struct {
	runID string
	at    float64
}

func (s *started) time(id *identity, now time.Time) float64 {
	clock := id.serverTime
	if clock == 0 {
		clock = float64(now.Unix())
	}
	at := clock - id.uptime
	if id.runID != s.runID || math.Abs(at-s.at) > 2 {
		s.runID, s.at = string([]byte(id.runID)), at
	}
	return s.at
}
