package redis

import "github.com/chronoops/chronoops/collector"

// The parts of a Redis target.
const (
	partServer       = "redis"
	partInfo         = "redis_info"
	partKeyspace     = "redis_keyspace"
	partCommands     = "redis_commandstats"
	partErrors       = "redis_errorstats"
	partPercentiles  = "redis_latencystats"
	partLatency      = "redis_latency"
	partDistribution = "redis_latency_histogram"
	partConfig       = "redis_config"
	partSlowlog      = "redis_slowlog"
	partCluster      = "redis_cluster"
	partModules      = "redis_modules"
	partSentinel     = "redis_sentinel"
	partPeers        = "redis_sentinel_peers"
	partClients      = "redis_clients"
	partKeys         = "redis_keys"
	partStreams      = "redis_streams"
	partGroups       = "redis_key_groups"
	partNodes        = "redis_nodes"
)

// Parts returns what every collector of this kind can select, for flags and the metric reference.
func Parts() (parts []collector.Part) {
	for _, r := range readers() {
		parts = append(parts, collector.Part{Name: r.name, Default: !r.off, Families: r.families})
	}
	parts[0].Families = append([]*collector.Family{up, collector.Down}, append(parts[0].Families, ownFamilies()...)...)
	return parts
}

// readers are the parts in the order in which they are read; the first is about the server as a whole.
func readers() []reader {
	return []reader{
		{name: partServer, families: []*collector.Family{instanceInfo}, write: without(writeServer)},
		{name: partInfo, families: infoFamilies(), write: (*Collector).writeInfo},
		{name: partKeyspace, families: keyspaceFamilies(), commands: (*Collector).settingsCommands, write: (*Collector).writeKeyspace},
		{name: partCommands, families: callFamilies(), write: without(writeCalls)},
		{name: partErrors, families: []*collector.Family{errorReplies}, write: without(writeErrors)},
		{name: partPercentiles, families: []*collector.Family{percentiles}, write: without(writePercentiles)},
		{name: partLatency, families: latencyFamilies(), commands: latencyCommands, write: without(writeLatency)},
		{name: partDistribution, families: distributionFamilies(), commands: distributionCommands, write: without(writeDistributions)},
		{name: partConfig, families: configFamilies(), commands: (*Collector).settingsCommands, write: (*Collector).writeConfig},
		{name: partSlowlog, families: slowlogFamilies(), commands: slowlogCommands, write: without(writeSlowlog)},
		{name: partCluster, families: clusterFamilies(), commands: clusterCommands, write: (*Collector).writeCluster},
		{name: partModules, families: modulesFamilies(), write: (*Collector).writeModules},
		{name: partSentinel, families: sentinelFamilies(), commands: (*Collector).sentinelCommands, write: (*Collector).writeSentinel},
		{name: partPeers, off: true, families: []*collector.Family{sentinelPeer}, commands: (*Collector).peerCommands, write: without(writePeers)},
		{name: partClients, families: clientFamilies(), commands: (*Collector).clientCommands, write: (*Collector).writeClients},
		{name: partNodes, families: nodeFamilies(), write: (*Collector).writeNodes},
		{name: partKeys, families: keysFamilies()}, // These three look at keys, in steps of their own.
		{name: partStreams, families: streamFamilies()},
		{name: partGroups, families: groupFamilies()},
	}
}
