package main

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/chronoops/chronoops/collector"
	apicollector "github.com/chronoops/chronoops/collector/api"
	"github.com/chronoops/chronoops/collector/host"
	pgcollector "github.com/chronoops/chronoops/collector/postgres"
	rediscollector "github.com/chronoops/chronoops/collector/redis"
)

// defaultAddress is the port under which chronoops listens.
const defaultAddress = ":9847"

// serveFlags are those of `chronoops serve`.
type serveFlags struct {
	configFile      string
	storagePath     string
	web             *web.FlagConfig
	receiver        web.FlagConfig
	telemetryPath   string
	disableExporter bool
	maxRequests     int
	timeoutOffset   time.Duration
	maxProcs        processors
	openMetrics     bool
	withReceiver    bool
	pprof           bool
	host            host.Options
	hostFilters     []*hostFilter
	selection       selection
	log             promslog.Config
}

func (f *serveFlags) register(cmd *kingpin.CmdClause, app *kingpin.Application) {
	cmd.Flag("config.file", "Configuration file; without one the host is watched, and what DATABASE_URL, PG*, REDIS_URL and API_URL name.").StringVar(&f.configFile)
	cmd.Flag("storage.path", "Folder of the receiver's state. Default: $STATE_DIRECTORY, else ./chronoops-data.").Default(defaultStorage()).StringVar(&f.storagePath)
	f.web = kingpinflag.AddFlags(cmd, defaultAddress)
	f.receiver = web.FlagConfig{WebListenAddresses: new([]string), WebSystemdSocket: new(bool), WebConfigFile: new(string)}
	cmd.Flag("receiver.listen-address", "A listener of its own for webhook, API and incident pages. Repeatable; by default they share --web.listen-address.").
		StringsVar(f.receiver.WebListenAddresses)
	cmd.Flag("receiver.web.config.file", "TLS for the receiver's own listener, as --web.config.file.").StringVar(f.receiver.WebConfigFile)
	cmd.Flag("receiver", "Run the receiver if the configuration has a `receiver:` section.").Default("true").BoolVar(&f.withReceiver)
	cmd.Flag("web.telemetry-path", "Path of the metrics.").Default("/metrics").StringVar(&f.telemetryPath)
	cmd.Flag("web.disable-exporter-metrics", "Leave out go_*, process_* and promhttp_*.").BoolVar(&f.disableExporter)
	cmd.Flag("web.max-requests", "Scrapes answered at the same time; 0 for any number.").Default(strconv.Itoa(collector.DefaultMaxRequests)).IntVar(&f.maxRequests)
	cmd.Flag("web.enable-openmetrics", "Offer OpenMetrics, in which counters without _total are of unknown type.").BoolVar(&f.openMetrics)
	cmd.Flag("web.enable-pprof", "Serve /debug/pprof to operators.").BoolVar(&f.pprof)
	cmd.Flag("timeout-offset", "Taken off Prometheus' scrape timeout for the way back.").
		Default(collector.DefaultTimeoutOffset.String()).DurationVar(&f.timeoutOffset)
	// A scrape waits much and computes little: with a second processor a third of its cost was threads that look for work.
	cmd.Flag("runtime.gomaxprocs", "CPUs to run on at the same time; 0 leaves it to Go's runtime.").Envar("GOMAXPROCS").Default("1").SetValue(&f.maxProcs)
	f.registerHost(cmd)
	f.registerParts(cmd)
	cmd.Flag("compat.legacy-names", "Expose metrics also under names that upstream has dropped and popular dashboards still chart.").BoolVar(&f.selection.legacyNames)
	promslogflag.AddFlags(app, &f.log)
	cmd.Validate(func(*kingpin.CmdClause) error {
		if f.timeoutOffset < 0 {
			return fmt.Errorf("--timeout-offset=%v: a scrape cannot last longer than Prometheus waits; give 0s or more", f.timeoutOffset)
		}
		return nil
	})
}

// registerParts adds --[no-]collector.NAME for every part there is.
func (f *serveFlags) registerParts(cmd *kingpin.CmdClause) {
	f.selection.explicit = map[string]bool{}
	cmd.Flag("collector.disable-defaults", "Collect only what --collector.NAME switches on.").BoolVar(&f.selection.disableDefaults)
	for _, p := range knownParts() {
		var on bool
		name := p.Name
		cmd.Flag("collector."+name, "Collect "+name+".").Default(onOff(p.Default)).Action(func(*kingpin.ParseContext) error {
			f.selection.explicit[name] = on
			return nil
		}).BoolVar(&on)
	}
}

// knownParts lists every part of every kind, without connecting to anything.
func knownParts() []collector.Part {
	parts := host.Parts()
	parts = append(parts, pgcollector.Parts()...)
	parts = append(parts, rediscollector.Parts()...)
	return append(parts, apicollector.Parts()...)
}

// processors is a number that can come from the environment, so that an error has to name where from.
type processors int

// String implements kingpin.Value.
func (p *processors) String() string { return strconv.Itoa(int(*p)) }

// Set implements kingpin.Value.
func (p *processors) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return fmt.Errorf("--runtime.gomaxprocs, or GOMAXPROCS in the environment, is %q: it must be a whole number, 0 or more", text)
	}
	*p = processors(n)
	return nil
}

func onOff(on bool) string {
	if on {
		return "true"
	}
	return "false"
}

// checkTelemetryPath refuses what cannot be served, or is served already.
func (f *serveFlags) checkTelemetryPath() error {
	p := f.telemetryPath
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p || strings.ContainsAny(p, "?#%{} \t") {
		return fmt.Errorf("--web.telemetry-path=%s must begin with / and be plain, such as /metrics", p)
	}
	for _, own := range []string{"/probe", "/sd", "/config", "/-", "/api", "/incidents", "/runbooks", "/debug"} {
		if p == own || strings.HasPrefix(p, own+"/") {
			return fmt.Errorf("--web.telemetry-path=%s is used for something else: choose another, such as /metrics", p)
		}
	}
	return nil
}

func (f *serveFlags) ownListener() bool { return len(*f.receiver.WebListenAddresses) > 0 }
