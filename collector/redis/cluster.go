package redis

import "github.com/chronoops/chronoops/collector"

// clusterFields is the reply to CLUSTER INFO.
var clusterInfoFields = []field{
	gauge("cluster_state", "cluster_state", "1 if the node can take queries for the whole cluster."),
	gauge("cluster_slots_assigned", "cluster_slots_assigned", "Slots that some node serves; 16384 if all is well."),
	gauge("cluster_slots_ok", "cluster_slots_ok", "Slots whose node is neither failing nor suspected to."),
	gauge("cluster_slots_pfail", "cluster_slots_pfail", "Slots whose node this node cannot reach."),
	gauge("cluster_slots_fail", "cluster_slots_fail", "Slots whose node the cluster agrees has failed."),
	gauge("cluster_known_nodes", "cluster_known_nodes", "Nodes that this node knows, itself and those in handshake too."),
	gauge("cluster_size", "cluster_size", "Primaries that serve at least one slot."),
	gauge("cluster_current_epoch", "cluster_current_epoch", "The cluster's epoch as this node knows it."),
	gauge("cluster_my_epoch", "cluster_my_epoch", "The configuration epoch of this node or of its primary."),
	gauge("cluster_stats_messages_sent", "cluster_messages_sent_total", "Messages sent on the cluster bus. A counter, though its type says gauge."),
	gauge("cluster_stats_messages_received", "cluster_messages_received_total",
		"Messages received on the cluster bus. A counter, though its type says gauge."),
}

// busMessages are the kinds of messages on the cluster bus.
var busMessages = []string{
	"ping", "pong", "meet", "fail", "publish", "auth-req", "auth-ack", "update", "mfstart", "module", "publishshard",
}

// messageFields are the counts by kind in CLUSTER INFO.
var messageFields = func() (fields []field) {
	for _, kind := range busMessages {
		for _, way := range []string{"sent", "received"} {
			key := "cluster_stats_messages_" + kind + "_" + way
			fields = append(fields, gauge(key, underscored(key), "Messages of this kind "+way+" on the cluster bus. A counter, though its type says gauge."))
		}
	}
	return fields
}()

var clusterInfo = newCommand(2, "CLUSTER", "INFO")

func clusterFamilies() (families []*collector.Family) {
	for _, table := range [][]field{clusterInfoFields, messageFields} {
		for _, f := range table {
			families = append(families, f.family)
		}
	}
	return families
}

func clusterCommands(c *Collector, _ *scrape) []command {
	if !c.known.cluster {
		return nil
	}
	return []command{clusterInfo}
}

func (c *Collector) writeCluster(w *collector.Writer, s *scrape) error {
	reply, ok, err := s.heard.get(clusterInfo)
	if err != nil || !ok {
		return err
	}
	for line := (scanner{rest: reply.text()}); line.next(); {
		if f, ok := c.clusterFields[line.key]; ok {
			f.add(w, line.value)
		}
	}
	return nil
}
