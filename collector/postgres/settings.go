package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

// settingsView reads every setting that is a number or a switch, as the server has it: our own session's limits are set
// by SET, and reset_val is what they were before. It is read again when the configuration was.
var settingsView = view{
	part: partSettings, name: "settings",
	changes: "concat_ws(' ', pg_conf_load_time(), pg_is_in_recovery())",
	labels: []string{
		"name",
		`CASE WHEN name = 'transaction_read_only' AND NOT pg_is_in_recovery()
			THEN (SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only')
			WHEN source = 'session' THEN reset_val ELSE setting END`,
		"unit",
		"vartype",
		"pending_restart::text",
	},
	from:    "FROM pg_settings WHERE (vartype IN ('bool', 'integer', 'real') OR pending_restart)",
	decoder: func(*Collector) decoder { return newSettings() },
	emits:   append([]*collector.Family{pendingRestart}, knownSettings...),
}

var pendingRestart = gauge("chronoops_postgres_setting_pending_restart",
	"1 for a setting that was changed in the configuration files and waits for a restart of the server.", "name")

// settings holds the families that were made for the settings of this server.
type settings struct {
	families map[string]*collector.Family // by setting and unit, such as work_mem_bytes
}

// knownSettings are those that rules and dashboards rely on; a server has some 250 more of the same kind.
var knownSettings = func() []*collector.Family {
	var list []*collector.Family
	for _, name := range []string{
		"autovacuum_freeze_max_age", "effective_cache_size_bytes", "maintenance_work_mem_bytes", "max_connections",
		"max_parallel_workers", "max_wal_size_bytes", "max_worker_processes", "random_page_cost", "seq_page_cost",
		"shared_buffers_bytes", "superuser_reserved_connections", "work_mem_bytes",
	} {
		list = append(list, settingFamily(name))
	}
	return list
}()

func settingFamily(name string) *collector.Family {
	help := "The server's setting " + name + "."
	for _, unit := range []string{"bytes", "seconds"} {
		if base, ok := strings.CutSuffix(name, "_"+unit); ok {
			help = "The server's setting " + base + " in " + unit + "; -1 and 0 often have a meaning of their own."
		}
	}
	return gauge("pg_settings_"+name, help)
}

func newSettings() *settings {
	s := &settings{families: make(map[string]*collector.Family)}
	for _, f := range knownSettings {
		s.families[strings.TrimPrefix(f.Name, "pg_settings_")] = f
	}
	return s
}

func (s *settings) begin() [][]byte { return nil }

func (s *settings) row(out *samples, row [][]byte) error {
	if len(row) != 5 {
		return fmt.Errorf("%d columns instead of 5", len(row))
	}
	if string(row[4]) == "true" {
		out.put(pendingRestart, 1, string(row[0]))
	}
	vartype := string(row[3])
	if vartype == "string" || vartype == "enum" {
		return nil // Here only because it waits for a restart.
	}
	value, unit, ok := settingValue(string(row[1]), string(row[2]), vartype)
	if !ok {
		return nil // Forks have settings whose value is no number although their type says so.
	}
	name := settingName(string(row[0]))
	if unit != "" {
		name += "_" + unit
	}
	f, ok := s.families[name]
	if !ok {
		f = settingFamily(name)
		s.families[name] = f
	}
	out.put(f, value)
	return nil
}

func (s *settings) end(*samples) error { return nil }

func settingName(s string) string {
	return strings.NewReplacer(".", "_", "-", "_").Replace(s)
}

// settingValue converts a setting to base units; unit is "bytes", "seconds" or empty. -1 is never converted, because it
// says "off" or "as another setting".
func settingValue(setting, unit, vartype string) (value float64, base string, ok bool) {
	if vartype == "bool" {
		if setting == "on" {
			return 1, "", true
		}
		return 0, "", setting == "off"
	}
	mul, div, base, ok := unitFactor(unit)
	if !ok {
		return 0, "", false
	}
	// Aurora repeats the unit in the value.
	value, err := strconv.ParseFloat(strings.TrimRight(setting, " kKMGTBminshd"), 64)
	if err != nil {
		return 0, "", false
	}
	if value == -1 {
		return value, base, true
	}
	return value * mul / div, base, true
}

// unitFactor reads a unit of pg_settings such as "ms", "kB", "8kB" or "16MB".
func unitFactor(unit string) (mul, div float64, base string, ok bool) {
	if unit == "" {
		return 1, 1, "", true
	}
	digits := len(unit) - len(strings.TrimLeft(unit, "0123456789"))
	mul, div = 1, 1
	if digits > 0 {
		n, err := strconv.ParseUint(unit[:digits], 10, 32)
		if err != nil || n == 0 {
			return 0, 0, "", false
		}
		mul = float64(n)
	}
	switch unit[digits:] {
	case "us":
		return mul, 1e6, "seconds", true
	case "ms":
		return mul, 1e3, "seconds", true
	case "s":
		return mul, div, "seconds", true
	case "min":
		return mul * 60, div, "seconds", true
	case "h":
		return mul * 3600, div, "seconds", true
	case "d":
		return mul * 86400, div, "seconds", true
	case "B":
		return mul, div, "bytes", true
	case "kB":
		return mul * (1 << 10), div, "bytes", true
	case "MB":
		return mul * (1 << 20), div, "bytes", true
	case "GB":
		return mul * (1 << 30), div, "bytes", true
	case "TB":
		return mul * (1 << 40), div, "bytes", true
	default:
		return 0, 0, "", false
	}
}
