// Package deploy holds the files that connect chronoops with the programs around it: Prometheus, Alertmanager, Grafana
// and systemd. The demo and the tests run them as they are, with other addresses.
package deploy

import "embed"

// Addresses in the files, to be replaced where the programs listen elsewhere.
const (
	Address             = "127.0.0.1:9847"
	PrometheusAddress   = "127.0.0.1:9090"
	AlertmanagerAddress = "127.0.0.1:9093"
	// RulesPattern is where Prometheus finds the rules, relative to its configuration.
	RulesPattern = "rules/chronoops/*.yml"
	// TokenFile is where Alertmanager finds the webhook's credential, relative to its configuration.
	TokenFile = "chronoops-token"
)

// Prometheus is a complete prometheus.yml.
//
//go:embed prometheus/prometheus.yml
var Prometheus string

// Alertmanager is a complete alertmanager.yml.
//
//go:embed alertmanager/alertmanager.yml
var Alertmanager string

// Files holds all of the files, by their path below deploy.
//
//go:embed prometheus alertmanager grafana systemd
var Files embed.FS
