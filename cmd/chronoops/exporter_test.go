package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exporterFamilies are what every Prometheus exporter has of itself.
var exporterFamilies = strings.Fields(`
go_gc_duration_seconds go_gc_gogc_percent go_gc_gomemlimit_bytes go_goroutines go_info go_memstats_alloc_bytes go_memstats_alloc_bytes_total
go_memstats_buck_hash_sys_bytes go_memstats_frees_total go_memstats_gc_sys_bytes go_memstats_heap_alloc_bytes go_memstats_heap_idle_bytes
go_memstats_heap_inuse_bytes go_memstats_heap_objects go_memstats_heap_released_bytes go_memstats_heap_sys_bytes go_memstats_last_gc_time_seconds
go_memstats_mallocs_total go_memstats_mcache_inuse_bytes go_memstats_mcache_sys_bytes go_memstats_mspan_inuse_bytes go_memstats_mspan_sys_bytes
go_memstats_next_gc_bytes go_memstats_other_sys_bytes go_memstats_stack_inuse_bytes go_memstats_stack_sys_bytes go_memstats_sys_bytes
go_sched_gomaxprocs_threads go_threads
process_cpu_seconds_total process_max_fds process_network_receive_bytes_total process_network_transmit_bytes_total process_open_fds
process_resident_memory_bytes process_start_time_seconds process_virtual_memory_bytes process_virtual_memory_max_bytes
promhttp_metric_handler_errors_total promhttp_metric_handler_requests_in_flight promhttp_metric_handler_requests_total`)

// ofExporters are the families of a scrape that every exporter has, and those that tell about node_exporter itself.
func ofExporters(text string) (names []string) {
	for line := range strings.Lines(text) {
		name, ok := strings.CutPrefix(line, "# TYPE ")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, " ")
		for _, prefix := range []string{"go_", "process_", "promhttp_", "node_exporter_", "node_scrape_"} {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
	}
	return names
}

func TestExporterMetrics(t *testing.T) {
	t.Parallel()
	node := []string{"node_exporter_build_info", "node_scrape_collector_duration_seconds", "node_scrape_collector_success"}
	p := start(t, folder(t, ""))
	got := ofExporters(p.get("/metrics").body)
	missing := map[string]bool{}
	for _, name := range append(node, exporterFamilies...) {
		missing[name] = true
	}
	for _, name := range got {
		delete(missing, name)
	}
	if len(missing) > 0 {
		t.Errorf("missing: %v", missing)
	}
	p.wantMetrics(map[string]string{
		`promhttp_metric_handler_requests_total{code="200"}`: "1", `promhttp_metric_handler_requests_total{code="500"}`: "0",
		`promhttp_metric_handler_requests_total{code="503"}`: "0", "promhttp_metric_handler_requests_in_flight": "1",
		`promhttp_metric_handler_errors_total{cause="encoding"}`: "0", `promhttp_metric_handler_errors_total{cause="gathering"}`: "0",
		`node_scrape_collector_success{collector="loadavg"}`: "1",
	})

	quiet := start(t, folder(t, ""), "--web.disable-exporter-metrics")
	if diff := cmp.Diff(node, ofExporters(quiet.get("/metrics").body)); diff != "" {
		t.Errorf("without exporter metrics (-want +got):\n%s", diff)
	}
	bare := start(t, folder(t, ""), "--web.disable-exporter-metrics", "--collector.disable-defaults", "--compat.legacy-names")
	if names := ofExporters(bare.get("/metrics").body); len(names) > 0 {
		t.Errorf("without the host: %v", names)
	}
}
