package dashboards

// OverviewUID is the stable identity of the overview.
const OverviewUID = "chronoops-overview"

const noData = "no data"

func overview() dashboard {
	return frame(OverviewUID, "chronoops: overview",
		"The host, PostgreSQL, Redis and the API at a glance, and what chronoops did about them.",
		layout([]section{
			{title: "State", height: 4, charts: state()},
			{title: "API", height: 8, charts: apiCharts()},
			{title: "PostgreSQL", height: 8, charts: postgresCharts()},
			{title: "Redis", height: 8, charts: redisCharts()},
			{title: "Host", height: 8, charts: hostCharts()},
			{title: "Incidents and repairs", height: 8, charts: repairCharts()},
		}))
}

func state() []chart {
	up := func(title, metric, about string, alerts ...string) chart {
		return chart{
			title: title, about: about, alerts: alerts, stat: true, width: 3, unit: "none", noValue: noData,
			steps: downAt0(), mappings: upOrDown(),
			queries: []query{{`min(` + metric + `{` + scope + `})`, title}},
		}
	}
	return []chart{
		up("API is", "probe_success", "Whether every probe got the answer that it expects.", "ApiDown"),
		up("PostgreSQL is", "pg_up", "Whether every PostgreSQL answers.", "PostgresDown"),
		up("Redis is", "redis_up", "Whether every Redis answers.", "RedisDown"),
		up("Scrapes are", "up", "Whether Prometheus reaches chronoops.", "ChronoopsDown", "ServiceDown"),
		{
			title: "Alerts firing", about: "Alerts of these instances, the Watchdog aside.", stat: true, width: 3, unit: "none", noValue: "0",
			steps:   levels(1),
			queries: []query{{`count(ALERTS{alertstate="firing", alertname!="Watchdog", ` + scope + `}) or vector(0)`, "firing"}},
		},
		{
			title: "Incidents open", about: "Incidents that are not resolved.", stat: true, width: 3, unit: "none", noValue: noData,
			steps:   levels(1),
			queries: []query{{`sum(chronoops_incidents_open{` + scope + `})`, "open"}},
		},
		{
			title: "Repairs are", about: "Paused by a person, by a file, or because the store is new: nothing is repaired until somebody resumes.",
			stat: true, width: 3, unit: "none", noValue: noData, steps: levels(1),
			mappings: []any{map[string]any{"type": "value", "options": map[string]any{
				"0": map[string]any{"text": "on", "index": 0},
				"1": map[string]any{"text": "paused", "index": 1},
			}}},
			queries: []query{{`max(chronoops_repairs_paused{` + scope + `})`, "paused"}},
		},
		{
			title: "Last Watchdog", about: "Time since the alert that always fires was received; over three minutes no alert may get through.",
			alerts: []string{"Watchdog"}, stat: true, width: 3, unit: "s", noValue: "never", steps: levels(watchdogLateSeconds),
			queries: []query{{`time() - min(chronoops_watchdog_last_received_timestamp_seconds{` + scope + `})`, "age"}},
		},
	}
}

func apiCharts() []chart {
	return []chart{
		{
			title: "Requests", about: "Requests that the proxy answered, by class of status.", unit: "reqps", min: new(0.0), noValue: noData, width: 8, stacked: true,
			queries: []query{{
				`sum by (class) (label_replace(rate(http_requests_total{` + scope + `}[$__rate_interval]), "class", "${1}xx", "status", "(.).."))`, "{{class}}",
			}},
		},
		{
			title: "Share of failed requests", about: "Server errors (5xx) among all requests.", alerts: []string{"HighErrorRate"},
			unit: "percentunit", min: new(0.0), noValue: noData, width: 8, steps: levels(maxErrorRatio),
			queries: []query{{
				`(sum by (job, instance) (rate(http_requests_total{status=~"5..", ` + scope + `}[$__rate_interval]))` +
					` or 0 * sum by (job, instance) (rate(http_requests_total{` + scope + `}[$__rate_interval])))` +
					` / (sum by (job, instance) (rate(http_requests_total{` + scope + `}[$__rate_interval])) > 0)`, "{{instance}}",
			}},
		},
		{
			title: "Response time", about: "Median and 95th percentile of the time that the proxy took.", alerts: []string{"HighResponseTime"},
			unit: "s", min: new(0.0), noValue: noData, width: 8, steps: levels(goodResponseTime, maxResponseTime),
			queries: []query{
				{`histogram_quantile(0.95, sum by (job, instance, le) (rate(http_request_duration_seconds_bucket{` + scope + `}[$__rate_interval])))`, "95 % {{instance}}"},
				{`histogram_quantile(0.5, sum by (job, instance, le) (rate(http_request_duration_seconds_bucket{` + scope + `}[$__rate_interval])))`, "50 % {{instance}}"},
			},
		},
		{
			title: "Probe duration", about: "Time that each probe took.", unit: "s", min: new(0.0), noValue: noData, width: 12,
			queries: []query{{`probe_duration_seconds{` + scope + `}`, "{{instance}} {{probe}}"}},
		},
		{
			title: "Probe phases", about: "Where the time of the probes goes.", unit: "s", min: new(0.0), noValue: noData, width: 12, stacked: true,
			queries: []query{{`avg by (phase) (probe_http_duration_seconds{` + scope + `})`, "{{phase}}"}},
		},
	}
}

func postgresCharts() []chart {
	database := `datname!="", datname!~"template.*", ` + scope
	return []chart{
		{
			title: "Connections taken", about: "Share of the connections that ordinary users may take.", alerts: []string{"TooManyConnections"},
			unit: "percentunit", min: new(0.0), max: new(1.0), noValue: noData, width: 8, steps: levels(maxConnections),
			queries: []query{{
				`sum by (job, instance) (pg_stat_activity_count{backend_type=~"client backend|", datname!="", ` + scope + `})` +
					` / (sum by (job, instance) (pg_settings_max_connections{` + scope + `})` +
					` - sum by (job, instance) (pg_settings_superuser_reserved_connections{` + scope + `}) > 0)`, "{{instance}}",
			}},
		},
		{
			title: "Sessions", about: "Client sessions by state.", unit: "none", min: new(0.0), noValue: noData, width: 8, stacked: true,
			queries: []query{{`sum by (state) (pg_stat_activity_count{backend_type=~"client backend|", datname!="", ` + scope + `})`, "{{state}}"}},
		},
		{
			title: "Transactions", about: "Commits and rollbacks.", unit: "ops", min: new(0.0), noValue: noData, width: 8,
			queries: []query{
				{`sum by (datname) (rate(pg_stat_database_xact_commit{` + database + `}[$__rate_interval]))`, "commits {{datname}}"},
				{`sum by (datname) (rate(pg_stat_database_xact_rollback{` + database + `}[$__rate_interval]))`, "rollbacks {{datname}}"},
			},
		},
		{
			title: "Blocks found in the cache", about: "Share of the blocks that were read from PostgreSQL's own cache.",
			unit: "percentunit", min: new(0.0), max: new(1.0), noValue: noData, width: 8,
			queries: []query{{
				`sum by (datname) (rate(pg_stat_database_blks_hit{` + database + `}[$__rate_interval]))` +
					` / (sum by (datname) (rate(pg_stat_database_blks_hit{` + database + `}[$__rate_interval]))` +
					` + sum by (datname) (rate(pg_stat_database_blks_read{` + database + `}[$__rate_interval])) > 0)`, "{{datname}}",
			}},
		},
		{
			title: "Locks", about: "Locks held or awaited, by mode.", unit: "none", min: new(0.0), noValue: noData, width: 8,
			queries: []query{{`sum by (mode) (pg_locks_count{` + scope + `}) > 0`, "{{mode}}"}},
		},
		{
			title: "Longest transaction", about: "Age of the oldest open transaction, by state of its session.", unit: "s", min: new(0.0), noValue: noData, width: 8,
			queries: []query{{`max by (datname, state) (pg_stat_activity_max_tx_duration{` + scope + `})`, "{{datname}} {{state}}"}},
		},
	}
}

func redisCharts() []chart {
	return []chart{
		{
			title: "Redis memory", about: "Memory used and the limit; without a limit there is no second line.", unit: "bytes", min: new(0.0), noValue: noData, width: 6,
			queries: []query{
				{`redis_memory_used_bytes{` + scope + `}`, "used {{instance}}"},
				{`redis_memory_max_bytes{` + scope + `} > 0`, "limit {{instance}}"},
			},
		},
		{
			title: "Redis commands", about: "Commands processed.", unit: "ops", min: new(0.0), noValue: noData, width: 6,
			queries: []query{{`rate(redis_commands_processed_total{` + scope + `}[$__rate_interval])`, "{{instance}}"}},
		},
		{
			title: "Keys found", about: "Share of the lookups that found their key.", unit: "percentunit", min: new(0.0), max: new(1.0), noValue: noData, width: 6,
			queries: []query{{
				`rate(redis_keyspace_hits_total{` + scope + `}[$__rate_interval])` +
					` / (rate(redis_keyspace_hits_total{` + scope + `}[$__rate_interval]) + rate(redis_keyspace_misses_total{` + scope + `}[$__rate_interval]) > 0)`, "{{instance}}",
			}},
		},
		{
			title: "Redis clients and evictions", about: "Connected clients, and keys that were dropped for lack of memory.", unit: "none", min: new(0.0), noValue: noData, width: 6,
			queries: []query{
				{`redis_connected_clients{` + scope + `}`, "clients {{instance}}"},
				{`rate(redis_evicted_keys_total{` + scope + `}[$__rate_interval])`, "evicted/s {{instance}}"},
			},
		},
	}
}

func hostCharts() []chart {
	return []chart{
		{
			title: "Processors busy", about: "Share of the time spent working; waiting for disks and time stolen by the hypervisor do not count.",
			alerts: []string{"HighCPUUsage"}, unit: "percentunit", min: new(0.0), max: new(1.0), noValue: noData, width: 8, steps: levels(goodCPU, maxCPU),
			queries: []query{{
				`1 - avg by (job, instance) (sum by (job, instance, cpu) (rate(node_cpu_seconds_total{mode=~"idle|iowait|steal", ` + scope + `}[$__rate_interval])))`, "{{instance}}",
			}},
		},
		{
			title: "Memory used", about: "Share that cannot be given to a program that asks.", alerts: []string{"HighMemoryUsage"},
			unit: "percentunit", min: new(0.0), max: new(1.0), noValue: noData, width: 8, steps: levels(goodMemory, maxMemory),
			queries: []query{{`1 - node_memory_MemAvailable_bytes{` + scope + `} / (node_memory_MemTotal_bytes{` + scope + `} > 0)`, "{{instance}}"}},
		},
		{
			title: "File systems", about: "How full file systems are, as df shows it.", alerts: []string{"DiskSpaceLow"},
			unit: "percentunit", min: new(0.0), max: new(1.0), noValue: noData, width: 8, steps: levels(goodDisk, maxDisk),
			queries: []query{{
				`max by (instance, mountpoint) ((node_filesystem_size_bytes{fstype!~"ramfs|squashfs|iso9660|erofs|overlay|autofs|nsfs|fuse.*", mountpoint!~"/(dev|run|sys|proc)(/.*)?", ` + scope + `}` +
					` - node_filesystem_free_bytes)` +
					` / (node_filesystem_size_bytes - node_filesystem_free_bytes + node_filesystem_avail_bytes > 0))`, "{{instance}} {{mountpoint}}",
			}},
		},
		{
			title: "Load", about: "Processes that run or wait, averaged over 1 and 15 minutes.", unit: "none", min: new(0.0), noValue: noData, width: 8,
			queries: []query{
				{`node_load1{` + scope + `}`, "1 min {{instance}}"},
				{`node_load15{` + scope + `}`, "15 min {{instance}}"},
			},
		},
		{
			title: "Disk traffic", about: "Bytes read and written.", unit: "Bps", min: new(0.0), noValue: noData, width: 8,
			queries: []query{
				{`sum by (instance) (rate(node_disk_read_bytes_total{` + scope + `}[$__rate_interval]))`, "read {{instance}}"},
				{`sum by (instance) (rate(node_disk_written_bytes_total{` + scope + `}[$__rate_interval]))`, "written {{instance}}"},
			},
		},
		{
			title: "Network traffic", about: "Bytes received and sent, loopback aside.", unit: "Bps", min: new(0.0), noValue: noData, width: 8,
			queries: []query{
				{`sum by (instance) (rate(node_network_receive_bytes_total{device!="lo", ` + scope + `}[$__rate_interval]))`, "received {{instance}}"},
				{`sum by (instance) (rate(node_network_transmit_bytes_total{device!="lo", ` + scope + `}[$__rate_interval]))`, "sent {{instance}}"},
			},
		},
	}
}

func repairCharts() []chart {
	return []chart{
		{
			title: "Open incidents", about: "By priority.", unit: "none", min: new(0.0), noValue: noData, width: 8, stacked: true,
			queries: []query{{`sum by (priority) (chronoops_incidents_open{` + scope + `})`, "{{priority}}"}},
		},
		{
			title: "Repairs", about: "Attempts by action and how they ended.", unit: "none", min: new(0.0), noValue: noData, width: 8,
			queries: []query{{`sum by (action, outcome) (increase(chronoops_repairs_total{` + scope + `}[$__rate_interval])) > 0`, "{{action}} {{outcome}}"}},
		},
		{
			title: "Refusals", about: "Repairs that a guard did not let through.", unit: "none", min: new(0.0), noValue: noData, width: 8,
			queries: []query{{`sum by (guard) (increase(chronoops_guard_refusals_total{` + scope + `}[$__rate_interval])) > 0`, "{{guard}}"}},
		},
		{
			title: "Pages", about: "Messages to people by what became of them.", alerts: []string{"PagesFailing"}, unit: "none", min: new(0.0), noValue: noData, width: 8,
			queries: []query{{`sum by (outcome) (increase(chronoops_pages_total{` + scope + `}[$__rate_interval])) > 0`, "{{outcome}}"}},
		},
		{
			title: "Webhook", about: "Messages from Alertmanager by the answer they got.", unit: "reqps", min: new(0.0), noValue: noData, width: 8,
			queries: []query{{`sum by (source, code) (rate(chronoops_webhook_requests_total{` + scope + `}[$__rate_interval]))`, "{{source}} {{code}}"}},
		},
		{
			title: "Blind collectors", about: "Collectors that failed, and rules of another version than the binary's.",
			alerts: []string{"CollectorFailed", "RulesVersionDrift"}, unit: "none", min: new(0.0), noValue: "none", width: 8,
			queries: []query{
				{
					`count by (instance, collector) (chronoops_scrape_collector_success{` + scope + `} == 0 unless chronoops_scrape_collector_no_data{` + scope + `} == 1)`,
					"{{instance}} {{collector}}",
				},
				{`count by (version) (chronoops_rules_shipped_info{` + scope + `} unless on (version) chronoops_rules_info)`, "rules {{version}}"},
			},
		},
	}
}
