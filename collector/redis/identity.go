package redis

import (
	"errors"
	"math"
	"slices"
	"strings"
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
	// valkeyInfo takes the place of instanceInfo on Valkey, where the studied exporter adds two labels.
	valkeyInfo = &collector.Family{
		Name: instanceInfo.Name, Type: instanceInfo.Type, Help: instanceInfo.Help,
		Labels: append(slices.Clone(instanceInfo.Labels), "valkey_version", "valkey_release_stage"),
	}
	startTime = &collector.Family{
		Name: "redis_start_time_seconds", Type: collector.Gauge, Help: "Unix time at which the server started.",
	}
)

// identity is what INFO tells of the server as a whole. Its strings are parts of the reply.
type identity struct {
	role, version, buildID, mode, os, policy, port, runID, pid, replID string
	primaryHost, primaryPort, readOnly                                 string
	valkeyVersion, valkeyStage                                         string
	cluster, modules                                                   bool
	clients                                                            float64 // connections
	uptime, serverTime                                                 float64 // seconds; serverTime 0 if not told
	hasUptime                                                          bool
}

func identify(info report) (id identity) {
	for _, sec := range info {
		if !sec.tallies() {
			id.read(sec)
		}
	}
	return id
}

func (id *identity) read(sec section) {
	for s := sec.scan(); s.next(); {
		switch s.key {
		case "role":
			id.role = s.value
		case "redis_version":
			id.version = s.value
		case "redis_build_id":
			id.buildID = s.value
		case "redis_mode", "server_mode": // the latter on Valkey
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
		case "valkey_version":
			id.valkeyVersion = s.value
		case "valkey_release_stage":
			id.valkeyStage = s.value
		case "module":
			id.modules = true
		case "cluster_enabled":
			id.cluster = s.value == "1"
		case "connected_clients":
			id.clients, _ = number(s.value)
		case "uptime_in_seconds":
			id.uptime, id.hasUptime = number(s.value)
		case "server_time_usec":
			usec, _ := number(s.value)
			id.serverTime = math.Floor(usec / 1e6)
		}
	}
}

// clock is the server's Unix time in seconds, or ours if it does not tell.
func (id *identity) clock(now time.Time) float64 {
	if id.serverTime != 0 {
		return id.serverTime
	}
	return float64(now.Unix())
}

func writeServer(w *collector.Writer, s *scrape) error {
	id := &s.id
	if id.version == "" {
		return errors.New("the reply to INFO has no redis_version: is this a Redis server")
	}
	if id.valkeyVersion != "" {
		w.Add(valkeyInfo, 1, id.role, id.version, id.buildID, id.mode, id.os, id.policy, id.port, id.runID, id.pid, id.replID,
			id.valkeyVersion, id.valkeyStage)
	} else {
		w.Add(instanceInfo, 1, id.role, id.version, id.buildID, id.mode, id.os, id.policy, id.port, id.runID, id.pid, id.replID)
	}
	return nil
}

// started remembers when a server started: computed anew each time it would waver by a second.
type started struct {
	runID string
	at    float64
}

func (s *started) time(id *identity, now time.Time) float64 {
	at := id.clock(now) - id.uptime
	if id.runID != s.runID || math.Abs(at-s.at) > 2 {
		s.runID, s.at = strings.Clone(id.runID), at
	}
	return s.at
}
