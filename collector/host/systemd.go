package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector"
)

var (
	unitState     = gauge("node_systemd_unit_state", "1 for the state that the unit is in.", "name", "state", "type")
	unitStates    = gauge("node_systemd_units", "Units in each state, those that are left out elsewhere included.", "state")
	systemdVer    = gauge("node_systemd_version", "Version of systemd, as a number and in full.", "version")
	systemdVirt   = gauge("node_systemd_virtualization_info", "Virtualization that systemd has detected, none without any.", "virtualization_type")
	systemdUp     = gauge("node_systemd_system_running", "1 if the system is fully up and no unit has failed.")
	unitRestarts  = counter("node_systemd_service_restart_total", "Automatic restarts of the service.", "name")
	unitStart     = gauge("node_systemd_unit_start_time_seconds", "When the unit became active, in Unix time; 0 if it is not.", "name")
	unitTasks     = gauge("node_systemd_unit_tasks_current", "Tasks of the service.", "name")
	unitTasksMax  = gauge("node_systemd_unit_tasks_max", "Tasks that the service may have.", "name")
	timerTrigger  = gauge("node_systemd_timer_last_trigger_seconds", "When the timer elapsed last, in Unix time; 0 if never.", "name")
	socketAccepts = counter("node_systemd_socket_accepted_connections_total", "Connections that the socket has accepted.", "name")
	socketConns   = gauge("node_systemd_socket_current_connections", "Connections of the socket.", "name")
	socketRefused = gauge("node_systemd_socket_refused_connections_total", "Connections that the socket has refused; a counter, a gauge upstream.", "name")

	systemdFamilies = []*collector.Family{
		unitState, unitStates, systemdVer, systemdVirt, systemdUp, unitRestarts, unitStart, unitTasks, unitTasksMax,
		timerTrigger, socketAccepts, socketConns, socketRefused,
	}
)

var activeStates = []string{"active", "activating", "deactivating", "inactive", "failed"}

// unitProperty is a number that systemd knows about units of a kind (org.freedesktop.systemd1(5)).
type unitProperty struct {
	suffix, iface, name string
	family              *collector.Family
	unit                float64 // what the number is divided by
	wanted              func(o Options) bool
}

func always(Options) bool { return true }

var unitProperties = []unitProperty{
	{"", "Unit", "ActiveEnterTimestamp", unitStart, 1e6, func(o Options) bool { return o.UnitStart }},
	{".service", "Service", "NRestarts", unitRestarts, 1, func(o Options) bool { return o.UnitRestarts }},
	{".service", "Service", "TasksCurrent", unitTasks, 1, func(o Options) bool { return o.UnitTasks }},
	{".service", "Service", "TasksMax", unitTasksMax, 1, func(o Options) bool { return o.UnitTasks }},
	{".timer", "Timer", "LastTriggerUSec", timerTrigger, 1e6, always},
	{".socket", "Socket", "NAccepted", socketAccepts, 1, always},
	{".socket", "Socket", "NConnections", socketConns, 1, always},
	{".socket", "Socket", "NRefused", socketRefused, 1, always},
}

// Systemd asks systemd over one kept connection about its units.
type Systemd struct {
	o     Options
	skip  func(unit string) bool
	now   func() time.Time
	bus   *systemBus
	types map[string]unitType // by unit
}

// unitType is the property Type, which changes with the unit's file only.
type unitType struct {
	name string
	at   time.Time
}

// NewSystemd returns a collector over o, not connected yet.
func NewSystemd(o Options) (*Systemd, error) {
	whole := func(expr string) string {
		if expr == "" {
			return ""
		}
		return "^(?:" + expr + ")$"
	}
	skip, err := Filter{Include: whole(o.Units.Include), Exclude: whole(o.Units.Exclude)}.skip()
	if err != nil {
		return nil, fmt.Errorf("collector systemd: units: %w", err)
	}
	return &Systemd{o: o, skip: skip, now: time.Now}, nil
}

// Parts implements collector.Collector.
func (d *Systemd) Parts() []collector.Part {
	return []collector.Part{{Name: "systemd", Families: systemdFamilies}}
}

// Close closes the connection; a later collection opens another.
func (d *Systemd) Close() {
	if d.bus != nil {
		d.bus.close()
		d.bus = nil
	}
}

// Collect implements collector.Collector.
func (d *Systemd) Collect(ctx context.Context, w *collector.Writer) error {
	w.Part("systemd", func() error {
		kept := d.bus != nil
		m, err := d.ask(ctx)
		if err != nil && kept && ctx.Err() == nil {
			m, err = d.ask(ctx) // the bus may have been restarted
		}
		if err != nil {
			return err
		}
		return m.record(w)
	})
	return nil
}

// ask connects if need be and asks for everything. After an error the connection is closed: answers may still come.
func (d *Systemd) ask(ctx context.Context) (m *manager, err error) {
	if d.bus == nil {
		if d.bus, err = connectSystemd(ctx, d.o.RootFS); err != nil {
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, d.bus.end)
	m = &manager{}
	err = d.askManager(ctx, m)
	if err == nil {
		err = d.askUnits(ctx, m)
	}
	if !stop() && err != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("ask systemd: %w", err)
	}
	return m, nil
}

func (d *Systemd) askManager(ctx context.Context, m *manager) error {
	const iface = systemdBus + ".Manager"
	word := func(name string, to *string, failed func(error)) busCall {
		return property(managerAt, iface, name, func(value any, err error) error {
			text, ok := value.(string)
			if err == nil && !ok {
				err = errors.New("no text")
			}
			*to = text
			if err != nil {
				failed(fmt.Errorf("property %s: %w", name, err))
			}
			return nil
		})
	}
	return d.bus.call(ctx, []busCall{
		word("Version", &m.version, func(error) {}),
		word("Virtualization", &m.virtualization, func(error) { m.virtualization = "unknown" }),
		word("SystemState", &m.state, func(err error) { m.stateErr = err }),
		{path: managerAt, method: iface + ".ListUnits", answer: func(body []any, err error) error {
			if err == nil {
				m.units, err = parseUnits(body)
			}
			if err != nil {
				return fmt.Errorf("list units: %w", err)
			}
			return nil
		}},
	})
}

// askUnits asks for what is wanted of the units that are not left out. A unit that has gone costs its own samples.
func (d *Systemd) askUnits(ctx context.Context, m *manager) error {
	var calls []busCall
	types, now := make(map[string]unitType), d.now()
	for i := range m.units {
		u := &m.units[i]
		if u.skipped = u.load != "loaded" || d.skip(u.name); u.skipped {
			continue
		}
		if known, ok := d.types[u.name]; ok && isRecent(known.at, now) {
			types[u.name], u.typ = known, known.name
		} else if iface := typed(u.name); iface != "" {
			calls = append(calls, property(u.path, systemdBus+"."+iface, "Type", func(value any, _ error) error {
				if typ, ok := value.(string); ok {
					types[u.name], u.typ = unitType{typ, now}, typ
				}
				return nil
			}))
		}
		for _, p := range unitProperties {
			if !strings.HasSuffix(u.name, p.suffix) || !p.wanted(d.o) {
				continue
			}
			if p.family == unitStart && u.active != "active" {
				u.values = append(u.values, unitValue{unitStart, 0})
				continue
			}
			calls = append(calls, property(u.path, systemdBus+"."+p.iface, p.name, func(value any, _ error) error {
				if n, ok := number(value); ok {
					u.values = append(u.values, unitValue{p.family, n / p.unit})
				}
				return nil
			}))
		}
	}
	d.types = types
	return d.bus.call(ctx, calls)
}

// typed returns the interface of units that have a type, "" for others.
func typed(unit string) string {
	switch {
	case strings.HasSuffix(unit, ".service"):
		return "Service"
	case strings.HasSuffix(unit, ".mount"):
		return "Mount"
	default:
		return ""
	}
}

// number returns a property that is a number. The largest one means that there is none.
func number(value any) (float64, bool) {
	switch n := value.(type) {
	case uint32:
		return float64(n), true
	case uint64:
		return float64(n), n != math.MaxUint64
	default:
		return 0, false
	}
}
