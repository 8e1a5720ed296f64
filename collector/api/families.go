package api

import "github.com/chronoops/chronoops/collector"

// The parts of a target's collector.
const (
	PartProbe     = "http_probe"
	PartAccessLog = "access_log"
)

// probeFamilies are the metrics of one probe, under the names of blackbox_exporter.
type probeFamilies struct {
	success, duration, phase, status, version, ssl, redirects, contentLength, bodyBytes *collector.Family
	regex, dns, ip, certExpiry, tlsVersion, state, age                                  *collector.Family
}

// On /metrics a target has several probes, which the label probe (the path) tells apart. Free-form probes are one to a
// response and, like blackbox_exporter's, carry no such label.
var (
	targetProbes = newProbeFamilies("probe")
	freeProbes   = newProbeFamilies()
)

func newProbeFamilies(labels ...string) probeFamilies {
	gauge := func(name, help string, more ...string) *collector.Family {
		all := append(append([]string{}, labels...), more...)
		return &collector.Family{Name: name, Help: help, Type: collector.Gauge, Labels: all}
	}
	return probeFamilies{
		success:       gauge("probe_success", "1 if the target answered as expected. A partial (206) and a rate-limited (429) answer count as 1: see chronoops_probe_state."),
		duration:      gauge("probe_duration_seconds", "Time the probe took, in seconds."),
		phase:         gauge("probe_http_duration_seconds", "Time the parts of the probe took, summed over redirects, in seconds.", "phase"),
		status:        gauge("probe_http_status_code", "Status code of the last answer; 0 without one."),
		version:       gauge("probe_http_version", "HTTP version of the last answer; 0 without one."),
		ssl:           gauge("probe_http_ssl", "1 if the last answer came over TLS."),
		redirects:     gauge("probe_http_redirects", "Redirects that were followed."),
		contentLength: gauge("probe_http_content_length", "Declared length of the body in bytes; -1 if not declared."),
		bodyBytes:     gauge("probe_http_uncompressed_body_length", "Bytes of the body that were read, up to the limit."),
		regex:         gauge("probe_failed_due_to_regex", "1 if the body did not match what is expected."),
		dns:           gauge("probe_dns_lookup_time_seconds", "Time the name lookup took, in seconds; 0 for an address."),
		ip:            gauge("probe_ip_protocol", "IP version of the connection, 4 or 6; 0 without one."),
		certExpiry:    gauge("probe_ssl_earliest_cert_expiry", "When the first of the server's certificates expires, as Unix time in seconds."),
		tlsVersion:    gauge("probe_tls_version_info", "TLS version of the connection.", "version"),
		state:         gauge("chronoops_probe_state", "1 for the state the target is in: up, degraded (206), limited (429) or down.", "state"),
		age:           gauge("chronoops_probe_age_seconds", "Time since the target answered, in seconds; above 0 while min_interval or Retry-After keep it from being asked again."),
	}
}

// list leaves out the age, which only results that are kept have.
func (f probeFamilies) list() []*collector.Family {
	return []*collector.Family{
		f.success, f.duration, f.phase, f.status, f.version, f.ssl, f.redirects, f.contentLength, f.bodyBytes,
		f.regex, f.dns, f.ip, f.certExpiry, f.tlsVersion, f.state,
	}
}

var (
	requestsTotal = &collector.Family{
		Name: "http_requests_total", Type: collector.Counter, Labels: []string{"method", "status", "route"},
		Help: "Requests in the access log. A series is shown as 0 once before its first value.",
	}
	requestDuration = &collector.Family{
		Name: "http_request_duration_seconds", Type: collector.Histogram, Labels: []string{"method", "route"},
		Help: "Time from the request's first byte to the response's last ($request_time; where the log has none, the sum of $upstream_response_time), in seconds.",
	}
	responseSize = &collector.Family{
		Name: "http_response_size_bytes", Type: collector.Histogram, Labels: []string{"route"},
		Help: "Bytes of response bodies ($body_bytes_sent).",
	}
	logLines = &collector.Family{
		Name: "chronoops_accesslog_lines_total", Type: collector.Counter, Labels: []string{"target"},
		Help: "Lines read from the access log, blank ones left out.",
	}
	logUnparsed = &collector.Family{
		Name: "chronoops_accesslog_unparsed_total", Type: collector.Counter, Labels: []string{"target"},
		Help: "Lines that do not have the configured format or are too long.",
	}
	logSkipped = &collector.Family{
		Name: "chronoops_accesslog_skipped_bytes_total", Type: collector.Counter, Labels: []string{"target"},
		Help: "Bytes passed over at start because nobody had read the log for longer than 5 minutes.",
	}
	logLag = &collector.Family{
		Name: "chronoops_accesslog_lag_bytes", Type: collector.Gauge, Labels: []string{"target"},
		Help: "Bytes written to the access log that are not yet read.",
	}
)

// Parts returns all parts that a target may have.
func Parts() []collector.Part {
	return []collector.Part{
		{Name: PartProbe, Default: true, Families: append(targetProbes.list(), targetProbes.age)},
		{Name: PartAccessLog, Default: true, Families: []*collector.Family{
			requestsTotal, requestDuration, responseSize, logLines, logUnparsed, logSkipped, logLag,
		}},
	}
}

// record writes one result; lv are the values of the families' common labels.
func (f probeFamilies) record(w *collector.Writer, r Result, lv ...string) {
	with := func(more string) []string { return append(append(make([]string, 0, 2), lv...), more) }
	w.Add(f.success, number(r.OK()), lv...)
	w.Add(f.duration, r.Duration.Seconds(), lv...)
	w.Add(f.phase, r.Phases.Resolve.Seconds(), with("resolve")...)
	w.Add(f.phase, r.Phases.Connect.Seconds(), with("connect")...)
	w.Add(f.phase, r.Phases.TLS.Seconds(), with("tls")...)
	w.Add(f.phase, r.Phases.Processing.Seconds(), with("processing")...)
	w.Add(f.phase, r.Phases.Transfer.Seconds(), with("transfer")...)
	w.Add(f.status, float64(r.Status), lv...)
	w.Add(f.version, r.HTTPVersion, lv...)
	w.Add(f.ssl, number(r.TLS != nil), lv...)
	w.Add(f.redirects, float64(r.Redirects), lv...)
	w.Add(f.contentLength, float64(r.ContentLength), lv...)
	w.Add(f.bodyBytes, float64(r.BodyBytes), lv...)
	w.Add(f.regex, number(r.BodyMismatch), lv...)
	w.Add(f.dns, r.Phases.Resolve.Seconds(), lv...)
	w.Add(f.ip, float64(r.IPVersion), lv...)
	if r.TLS != nil {
		w.Add(f.tlsVersion, 1, with(r.TLS.Version)...)
		if !r.TLS.EarliestExpiry.IsZero() {
			w.Add(f.certExpiry, float64(r.TLS.EarliestExpiry.Unix()), lv...)
		}
	}
	for s, name := range stateNames {
		w.Add(f.state, number(r.State == State(s)), with(name)...)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
