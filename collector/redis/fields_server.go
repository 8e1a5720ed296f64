package redis

import (
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// serverFields is INFO's section Server.
var serverFields = []field{
	gauge("uptime_in_seconds", "uptime_in_seconds", "Seconds since the server started."),
	gauge("process_id", "process_id", "The server's process id."),
	gauge("io_threads_active", "io_threads_active", "1 while I/O threads are in use."),
	gauge("configured_hz", "configured_hz", "The configured frequency of background tasks, per second."),
	gauge("hz", "hz", "The present frequency of background tasks, per second."),
}

// clientFields is INFO's section Clients.
var clientFields = []field{
	gauge("connected_clients", "connected_clients", "Client connections, replicas not counted."),
	gauge("blocked_clients", "blocked_clients", "Clients waiting in a blocking command."),
	gauge("maxclients", "max_clients", "Most clients the server accepts."),
	gauge("cluster_connections", "cluster_connections", "Sockets that the cluster bus uses, roughly."),
	gauge("tracking_clients", "tracking_clients", "Clients that use client-side caching."),
	gauge("clients_in_timeout_table", "clients_in_timeout_table", "Clients whose blocking command has a timeout."),
	gauge("pubsub_clients", "pubsub_clients", "Clients in publish/subscribe mode."),
	gauge("watching_clients", "watching_clients", "Clients that watch keys."),
	gauge("total_watched_keys", "total_watched_keys", "Keys that are watched."),
	gauge("total_blocking_keys", "total_blocking_keys", "Keys that clients are blocked on."),
	gauge("total_blocking_keys_on_nokey", "total_blocking_keys_on_nokey",
		"Keys whose deletion would wake a blocked client."),
	gauge("client_recent_max_output_buffer", "client_recent_max_output_buffer_bytes",
		"Largest output buffer among the clients lately."),
	gauge("client_recent_max_input_buffer", "client_recent_max_input_buffer_bytes",
		"Largest input buffer among the clients lately."),
}

// ioThreadTime is told for each thread under a key of its own.
var ioThreadTime = &collector.Family{
	Name: "redis_active_time_io_thread_seconds_total", Type: collector.Counter, Labels: []string{"thread"},
	Help: "Time that an I/O thread was busy.",
}

func ioThread(w *collector.Writer, key, value string) bool {
	thread, ok := strings.CutPrefix(key, "used_active_time_io_thread_")
	if !ok {
		return false
	}
	if v, ok := number(value); ok {
		w.Add(ioThreadTime, v, thread)
	}
	return true
}

// cpuFields is INFO's section CPU.
var cpuFields = []field{
	counter("used_cpu_sys", "cpu_sys_seconds_total", "System time of the server."),
	counter("used_cpu_user", "cpu_user_seconds_total", "User time of the server."),
	counter("used_cpu_sys_children", "cpu_sys_children_seconds_total", "System time of its background processes."),
	counter("used_cpu_user_children", "cpu_user_children_seconds_total", "User time of its background processes."),
	counter("used_cpu_sys_main_thread", "cpu_sys_main_thread_seconds_total", "System time of the main thread."),
	counter("used_cpu_user_main_thread", "cpu_user_main_thread_seconds_total", "User time of the main thread."),
}

// clusterFields is INFO's section Cluster.
var clusterFields = []field{
	gauge("cluster_enabled", "cluster_enabled", "1 if the server is a cluster node."),
}
