package redis

import (
	"errors"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// sentinelFields is INFO's section Sentinel, less what carries labels.
var sentinelFields = []field{
	gauge("sentinel_masters", "sentinel_masters", "Primaries that the sentinel watches."),
	gauge("sentinel_tilt", "sentinel_tilt", "1 while the sentinel does not trust its own sense of time and only watches."),
	gauge("sentinel_running_scripts", "sentinel_running_scripts", "Scripts that run now."),
	gauge("sentinel_scripts_queue_length", "sentinel_scripts_queue_length", "Scripts that wait."),
	gauge("sentinel_simulate_failure_flags", "sentinel_simulate_failure_flags", "Failures that the sentinel was told to simulate."),
}

func perMaster(name, help string, labels ...string) *collector.Family {
	return &collector.Family{
		Name: "redis_sentinel_master_" + name, Type: collector.Gauge, Help: help,
		Labels: append([]string{"master_name"}, labels...),
	}
}

var (
	masterStatus    = perMaster("status", "1 if the sentinel holds the primary to be up.", "master_address", "master_status")
	masterReplicas  = perMaster("slaves", "Replicas of the primary.", "master_address")
	masterSentinels = perMaster("sentinels", "Sentinels that watch the primary, this one included.", "master_address")
	masterQuorum    = perMaster("ckquorum_status", "1 if enough sentinels can be reached to agree and to fail over; message says so.", "message")

	masterOKSentinels = perMaster("ok_sentinels", "Sentinels that watch the primary and are up, this one included.", "master_address")
	masterOKReplicas  = perMaster("ok_slaves", "Replicas of the primary that are up.", "master_address")

	sentinelPeer = &collector.Family{
		Name: "redis_sentinel_peer_info", Type: collector.Gauge,
		Labels: []string{"master_name", "master_address", "name", "ip", "port", "runid", "flags"},
		Help:   "Always 1; a sentinel that watches the same primary.",
	}
)

// masterFields are what SENTINEL MASTERS tells of each primary.
var masterFields = []field{
	perMasterField("quorum", "setting_ckquorum", "Sentinels that have to agree that the primary is down."),
	perMasterField("failover-timeout", "setting_failover_timeout", "The failover timeout in milliseconds."),
	perMasterField("parallel-syncs", "setting_parallel_syncs", "Replicas that sync with a new primary at a time."),
	perMasterField("down-after-milliseconds", "setting_down_after_milliseconds", "Milliseconds without an answer until the primary is held to be down."),
	perMasterField("config-epoch", "config_epoch", "The configuration's epoch, which grows with each failover."),
	perMasterField("last-ok-ping-reply", "last_ok_ping_reply_seconds", "Seconds since the primary last answered well.").per(1000),
}

func perMasterField(key, name, help string) field {
	return field{key: key, family: perMaster(name, help, "master_address")}
}

func sentinelFamilies() []*collector.Family {
	list := []*collector.Family{masterStatus, masterReplicas, masterSentinels, masterQuorum, masterOKSentinels, masterOKReplicas}
	for _, table := range [][]field{sentinelFields, masterFields} {
		for _, f := range table {
			list = append(list, f.family)
		}
	}
	return list
}

// mostMasters bounds the primaries that a sentinel is asked about one by one.
const mostMasters = 100

var sentinelMasters = newCommand(2, "SENTINEL", "MASTERS")

func askQuorum(master string) command    { return newCommand(2, "SENTINEL", "CKQUORUM", master) }
func askSentinels(master string) command { return newCommand(2, "SENTINEL", "SENTINELS", master) }
func askReplicas(master string) command  { return newCommand(2, "SENTINEL", "SLAVES", master) }

func (c *Collector) sentinelCommands(s *scrape) []command {
	if !c.known.sentinel {
		return nil
	}
	c.learnMasters(s)
	list := []command{sentinelMasters}
	for _, master := range c.known.masters {
		list = append(list, askQuorum(master), askSentinels(master), askReplicas(master))
	}
	return list
}

func (c *Collector) peerCommands(s *scrape) []command {
	if !c.known.sentinel {
		return nil
	}
	c.learnMasters(s)
	list := []command{sentinelMasters}
	for _, master := range c.known.masters {
		list = append(list, askSentinels(master))
	}
	return list
}

// learnMasters takes the names from SENTINEL MASTERS, if it was answered.
func (c *Collector) learnMasters(s *scrape) {
	if reply, ok, err := s.heard.get(sentinelMasters); ok && err == nil {
		c.known.masters = c.known.masters[:0]
		for _, m := range masters(reply) {
			c.known.masters = append(c.known.masters, m.name)
		}
	}
}

// master is a primary that a sentinel watches.
type master struct {
	name, address string
	fields        map[string]string
}

func masters(reply cursor) (list []master) {
	for _, fields := range dictionaries(reply) {
		m := master{fields["name"], fields["ip"] + ":" + fields["port"], fields}
		if m.name != "" && len(list) < mostMasters {
			list = append(list, m)
		}
	}
	return list
}

func (c *Collector) writeSentinel(w *collector.Writer, s *scrape) error {
	s.info.each("Sentinel", func(key, value string) {
		if f, ok := c.sentinelFields[key]; ok {
			f.add(w, value)
		} else {
			writeMaster(w, key, value)
		}
	})
	reply, ok, err := s.heard.get(sentinelMasters)
	if err != nil || !ok {
		return err
	}
	var errs []error
	for _, m := range masters(reply) {
		for i := range masterFields {
			f := &masterFields[i]
			f.add(w, m.fields[f.key], m.name, m.address)
		}
		errs = append(errs, writeQuorum(w, s, m))
		sentinels, err := s.peers(askSentinels(m.name))
		if errs = append(errs, err); err == nil {
			w.Add(masterOKSentinels, float64(1+healthy(sentinels)), m.name, m.address)
		}
		replicas, err := s.peers(askReplicas(m.name))
		if errs = append(errs, err); err == nil {
			w.Add(masterOKReplicas, float64(healthy(replicas)), m.name, m.address)
		}
	}
	return errors.Join(errs...)
}

// writeMaster records "master0:name=cache,status=ok,address=10.0.0.1:6379,slaves=1,sentinels=3".
func writeMaster(w *collector.Writer, key, value string) {
	if n, ok := strings.CutPrefix(key, "master"); !ok || strings.Trim(n, "0123456789") != "" {
		return
	}
	var name, status, address, replicas, sentinels string
	for p := (pairs{rest: value}); p.next(); {
		switch p.key {
		case "name":
			name = p.value
		case "status":
			status = p.value
		case "address":
			address = p.value
		case "slaves":
			replicas = p.value
		case "sentinels":
			sentinels = p.value
		}
	}
	up := 0.0
	if status == "ok" {
		up = 1
	}
	w.Add(masterStatus, up, name, address, status)
	if n, ok := number(replicas); ok {
		w.Add(masterReplicas, n, name, address)
	}
	if n, ok := number(sentinels); ok {
		w.Add(masterSentinels, n, name, address)
	}
}

// writeQuorum takes an error reply for the answer that it is.
func writeQuorum(w *collector.Writer, s *scrape, m master) error {
	c := askQuorum(m.name)
	reply, _, err := s.heard.get(c)
	said, ok := saidByServer(s.heard[c.text].err)
	switch {
	case err == nil:
		w.Add(masterQuorum, 1, m.name, short(reply.text()))
	case ok && strings.HasPrefix(said, "NOQUORUM"):
		w.Add(masterQuorum, 0, m.name, short(said))
	default:
		return err
	}
	return nil
}

// short bounds a label value that the server makes up.
func short(s string) string {
	const most = 128
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}

// peers returns what a sentinel tells of the other servers around a primary.
func (s *scrape) peers(c command) (list []map[string]string, err error) {
	reply, _, err := s.heard.get(c)
	if err != nil {
		return nil, err
	}
	return dictionaries(reply), nil
}

// healthy counts those that are not held to be down.
func healthy(list []map[string]string) (n int) {
	for _, fields := range list {
		if flags, ok := fields["flags"]; ok && !strings.Contains(flags, "s_down") && !strings.Contains(flags, "o_down") {
			n++
		}
	}
	return n
}

func writePeers(w *collector.Writer, s *scrape) error {
	reply, ok, err := s.heard.get(sentinelMasters)
	if err != nil || !ok {
		return err
	}
	var errs []error
	for _, m := range masters(reply) {
		sentinels, err := s.peers(askSentinels(m.name))
		errs = append(errs, err)
		for _, p := range sentinels {
			w.Add(sentinelPeer, 1, m.name, m.address, p["name"], p["ip"], p["port"], p["runid"], p["flags"])
		}
	}
	return errors.Join(errs...)
}
