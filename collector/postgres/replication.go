package postgres

// replicationView tells whether the server is a standby and how far it is. The positions and times are raw: whether
// they mean a delay is for a rule to say, which can look at both sides.
var replicationView = view{
	part: partReplication, name: "replication",
	values: []value{
		{
			family: gauge("pg_replication_lag_seconds",
				"Age of the newest transaction replayed on a standby; 0 on a primary and once all that was received is replayed, "+
					"also when nothing arrives any more: see chronoops_postgres_wal_receiver_last_message_timestamp_seconds."),
			expr: `CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
				ELSE greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp())) END`,
		},
		{
			family: gauge("pg_replication_is_replica", "Whether the server is in recovery, as a standby is."),
			expr:   "pg_is_in_recovery()::int",
		},
		{
			family: gauge("pg_replication_last_replay_seconds",
				"Seconds since the commit of the transaction replayed last; 0 on a primary. It also grows while the primary is idle."),
			expr: "greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp()))",
		},
		{
			family: gauge("chronoops_postgres_wal_current_bytes", "Position that a primary writes the write-ahead log at."),
			expr:   "CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() - '0/0' END",
		},
		{
			family: gauge("chronoops_postgres_wal_received_bytes", "Position up to which a standby has received and flushed."),
			expr:   "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() - '0/0' END",
		},
		{
			family: gauge("chronoops_postgres_wal_replayed_bytes", "Position up to which a standby has replayed."),
			expr:   "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0' END",
		},
		{
			family: gauge("chronoops_postgres_wal_replayed_timestamp_seconds",
				"Unix time at which the transaction that a standby replayed last was committed on the primary."),
			expr: "CASE WHEN pg_is_in_recovery() THEN extract(epoch FROM pg_last_xact_replay_timestamp()) END",
		},
		{
			family: gauge("chronoops_postgres_wal_replay_paused", "Whether somebody paused the replay on a standby."),
			expr:   "CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused()::int END",
		},
	},
}

// receiverView reads the standby's side of a stream. Every standby has a row, without a receiver too.
var receiverView = view{
	part: partReplication, name: "wal_receiver",
	monitor: true,
	values: []value{
		{
			family: gauge("chronoops_postgres_wal_receiver_streaming",
				"Whether a standby's receiver streams from its upstream; 0 without a receiver. Absent on a primary."),
			expr: "coalesce((r.status = 'streaming')::int, 0)",
		},
		{
			family: gauge("chronoops_postgres_wal_receiver_last_message_timestamp_seconds",
				"Unix time, by the standby's clock, at which the receiver got its last message."),
			expr: "extract(epoch FROM r.last_msg_receipt_time)",
		},
		{
			family: gauge("chronoops_postgres_wal_receiver_last_message_sent_timestamp_seconds",
				"Unix time, by the upstream's clock, at which the receiver's last message was sent."),
			expr: "extract(epoch FROM r.last_msg_send_time)",
		},
		{
			family: gauge("chronoops_postgres_wal_receiver_upstream_bytes",
				"Position of the upstream's write-ahead log when it last told the receiver."),
			expr: "r.latest_end_lsn - '0/0'",
		},
	},
	from: "FROM (SELECT 1) AS one LEFT JOIN pg_stat_wal_receiver r ON r.pid IS NOT NULL WHERE pg_is_in_recovery()",
}

var walReceiver = naming{"pg_stat_wal_receiver_", []string{"upstream_host", "slot_name", "status"}}

// statWalReceiverView has the names of postgres_exporter.
var statWalReceiverView = view{
	part: partWalReceiver, name: "stat_wal_receiver",
	monitor: true,
	labels:  []string{"substring(conninfo FROM 'host=''?([^ '']*)')", "slot_name", "status"},
	values: []value{
		{
			family: walReceiver.counter("receive_start_lsn", "Position at which the receiver started, modulo 2^52. Not a counter."),
			expr:   "(receive_start_lsn - '0/0') % 4503599627370496",
		},
		{
			family: walReceiver.counter("flushed_lsn", "Position received and flushed, modulo 2^52. Not a counter."),
			expr:   "(flushed_lsn - '0/0') % 4503599627370496",
		},
		{
			family: walReceiver.gauge("receive_start_tli", "Timeline at which the receiver started."),
			expr:   "receive_start_tli",
		},
		{
			family: walReceiver.gauge("received_tli", "Timeline of what was received last."),
			expr:   "received_tli",
		},
		{
			family: walReceiver.counter("last_msg_send_time", "Unix time at which the last message was sent. Not a counter."),
			expr:   "extract(epoch FROM last_msg_send_time)",
		},
		{
			family: walReceiver.counter("last_msg_receipt_time", "Unix time at which the last message was received. Not a counter."),
			expr:   "extract(epoch FROM last_msg_receipt_time)",
		},
		{
			family: walReceiver.counter("latest_end_lsn", "Position last reported by the upstream, modulo 2^52. Not a counter."),
			expr:   "(latest_end_lsn - '0/0') % 4503599627370496",
		},
		{
			family: walReceiver.counter("latest_end_time", "Unix time of the position last reported by the upstream. Not a counter."),
			expr:   "extract(epoch FROM latest_end_time)",
		},
		{
			family: walReceiver.gauge("upstream_node", "Number of the upstream in the name of a repmgr slot."),
			expr:   "substring(slot_name FROM 'repmgr_slot_([0-9]+)')",
		},
	},
	from: "FROM pg_stat_wal_receiver",
}
