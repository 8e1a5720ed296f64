package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/collector/collectortest"
)

// listedUnit is a row of ListUnits.
type listedUnit struct {
	Name, Description, Load, Active, Sub, Followed string
	Path                                           godbus.ObjectPath
	JobID                                          uint32
	JobType                                        string
	JobPath                                        godbus.ObjectPath
}

func listed(name, load, active string) listedUnit {
	return listedUnit{name, "Some unit", load, active, "sub", "", pathOf(name), 0, "", "/"}
}

func pathOf(unit string) godbus.ObjectPath {
	return godbus.ObjectPath("/org/freedesktop/systemd1/unit/" + strings.NewReplacer(".", "_2e", "-", "_2d", "@", "_40").Replace(unit))
}

// fakeSystemd answers as systemd does.
type fakeSystemd struct {
	manager map[string]any
	units   []listedUnit
	values  map[string]any // by unit and property
}

func (s *fakeSystemd) answer(call fakeCall) ([]any, string) {
	if call.method == systemdBus+".Manager.ListUnits" {
		return []any{s.units}, ""
	}
	if call.method == "org.freedesktop.DBus.Properties.Get" && len(call.args) == 2 {
		iface, name := strings.TrimPrefix(call.args[0].(string), systemdBus+"."), call.args[1].(string)
		v, ok := s.manager[name]
		if iface != "Manager" {
			v, ok = nil, false
			for _, u := range s.units {
				if string(u.Path) == call.path {
					v, ok = s.values[u.Name+" "+iface+"."+name]
				}
			}
		}
		if ok {
			return []any{godbus.MakeVariant(v)}, ""
		}
		return []any{"Unknown interface or property"}, "org.freedesktop.DBus.Error.UnknownProperty"
	}
	return nil, "org.freedesktop.DBus.Error.UnknownMethod"
}

func newFakeSystemd() *fakeSystemd {
	return &fakeSystemd{
		manager: map[string]any{"Version": "252.39-1~deb12u1", "Virtualization": "", "SystemState": "degraded"},
		units: []listedUnit{
			listed("nginx.service", "loaded", "active"),
			listed("getty@tty1.service", "loaded", "failed"),
			listed("old.service", "not-found", "inactive"),
			listed("fresh.service", "loaded", "refreshing"),
			listed("-.mount", "loaded", "active"),
			listed("sshd.socket", "loaded", "active"),
			listed("idle.socket", "loaded", "activating"),
			listed("backup.timer", "loaded", "active"),
			listed("never.timer", "loaded", "inactive"),
		},
		values: map[string]any{
			"nginx.service Service.Type":              "notify",
			"nginx.service Service.NRestarts":         uint32(3),
			"nginx.service Service.TasksCurrent":      uint64(5),
			"nginx.service Service.TasksMax":          ^uint64(0),
			"nginx.service Unit.ActiveEnterTimestamp": uint64(1_700_000_000_500_000),
			"getty@tty1.service Service.Type":         "idle",
			"-.mount Mount.Type":                      "ext4",
			"sshd.socket Socket.NAccepted":            uint32(12),
			"sshd.socket Socket.NConnections":         uint32(2),
			"sshd.socket Socket.NRefused":             uint32(1),
			"idle.socket Socket.NAccepted":            "not a number",
			"backup.timer Timer.LastTriggerUSec":      uint64(1_600_000_000_000_000),
			"never.timer Timer.LastTriggerUSec":       uint64(0),
		},
	}
}

func newTestSystemd(t *testing.T, root string, set func(o *Options)) *Systemd {
	t.Helper()
	o := Defaults()
	o.RootFS = root
	if set != nil {
		set(&o)
	}
	d, err := NewSystemd(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func TestSystemdGolden(t *testing.T) {
	bus := newFakeBus(t)
	bus.answer = newFakeSystemd().answer
	d := newTestSystemd(t, bus.root, func(o *Options) {
		o.UnitTasks, o.UnitRestarts, o.UnitStart = true, true, true
	})
	text, success := collectortest.Scrape(t, d)
	golden(t, "systemd.prom", text)
	if !success["systemd"] {
		t.Error("the part failed")
	}
	collectortest.Lint(t, d, socketRefused.Name)
}

func TestSystemdUnits(t *testing.T) {
	bus := newFakeBus(t)
	bus.answer = newFakeSystemd().answer
	for name, test := range map[string]struct {
		units Filter
		want  []string
	}{
		"defaults": {Defaults().Units, []string{"backup.timer", "fresh.service", "getty@tty1.service", "idle.socket", "never.timer", "nginx.service", "sshd.socket"}},
		"all":      {Filter{}, []string{"-.mount", "backup.timer", "fresh.service", "getty@tty1.service", "idle.socket", "never.timer", "nginx.service", "sshd.socket"}},
		"both":     {Filter{Include: `.+\.service|x`, Exclude: "nginx.service|getty"}, []string{"fresh.service", "getty@tty1.service"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestSystemd(t, bus.root, func(o *Options) { o.Units = test.units })
			text := collectortest.Text(t, d)
			var got []string
			for line := range strings.Lines(text) {
				if rest, ok := strings.CutPrefix(line, `node_systemd_unit_state{name="`); ok {
					got = append(got, rest[:strings.IndexByte(rest, '"')])
				}
			}
			if diff := cmp.Diff(test.want, slices.Compact(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, never := range []string{"node_systemd_unit_tasks", "node_systemd_service_restart", "node_systemd_unit_start"} {
				if strings.Contains(text, never) {
					t.Errorf("%s was not asked for", never)
				}
			}
			if test.units == (Filter{}) && !strings.Contains(text, `name="-.mount",state="active",type="ext4"} 1`) {
				t.Error("the mount has no type")
			}
		})
	}
	if _, err := NewSystemd(Options{Units: Filter{Include: "("}}); err == nil {
		t.Error("a broken expression was accepted")
	}
}

// TestSystemdAsksLittle counts calls: all are made over one connection, and types are asked for once a minute.
func TestSystemdAsksLittle(t *testing.T) {
	bus := newFakeBus(t)
	bus.answer = newFakeSystemd().answer
	d := newTestSystemd(t, bus.root, nil)
	now := time.Now()
	d.now = func() time.Time { return now }
	s := collectortest.NewScraper(t, d)
	const values = 4 + 2*3 + 2                   // of the manager, two sockets, two timers
	for i, types := range []int{3, 1, 1, 3, 1} { // fresh.service has none and is asked each time
		if i == 3 {
			now = now.Add(lookAgain)
		}
		bus.set(func() { bus.calls = nil })
		if out := s.Scrape(collectortest.Timeout); !out.Success["systemd"] {
			t.Fatalf("scrape %d failed: %q", i, s.Log())
		}
		bus.set(func() {
			calls := slices.DeleteFunc(bus.calls, func(c fakeCall) bool { return c.method == "org.freedesktop.DBus.Hello" })
			if len(calls) != values+types {
				t.Errorf("scrape %d made %d calls, want %d", i, len(calls), values+types)
			}
		})
	}
	if n := bus.connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestSystemdProperties(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(s *fakeSystemd)
		success bool
		want    []string
	}{
		"running":         {func(s *fakeSystemd) { s.manager["SystemState"] = "running" }, true, []string{"node_systemd_system_running 1"}},
		"no state":        {func(s *fakeSystemd) { delete(s.manager, "SystemState") }, false, []string{`node_systemd_units{state="active"} 4`}},
		"odd version":     {func(s *fakeSystemd) { s.manager["Version"] = "v7" }, true, []string{`node_systemd_version{version=""} 0`}},
		"no version":      {func(s *fakeSystemd) { delete(s.manager, "Version") }, true, []string{`node_systemd_version{version=""} 0`}},
		"version, no dot": {func(s *fakeSystemd) { s.manager["Version"] = "systemd 249-17ubuntu" }, true, []string{`node_systemd_version{version="systemd 249-17ubuntu"} 249`}},
		"virtual":         {func(s *fakeSystemd) { s.manager["Virtualization"] = "kvm" }, true, []string{`node_systemd_virtualization_info{virtualization_type="kvm"} 1`}},
		"no virtual":      {func(s *fakeSystemd) { delete(s.manager, "Virtualization") }, true, []string{`virtualization_type="unknown"} 1`}},
		"no units":        {func(s *fakeSystemd) { s.units = nil }, true, []string{`node_systemd_units{state="failed"} 0`}},
	} {
		t.Run(name, func(t *testing.T) {
			bus, systemd := newFakeBus(t), newFakeSystemd()
			test.change(systemd)
			bus.answer = systemd.answer
			text, success := collectortest.Scrape(t, newTestSystemd(t, bus.root, nil))
			if success["systemd"] != test.success {
				t.Errorf("success %v", success["systemd"])
			}
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %s:\n%s", want, text)
				}
			}
		})
	}
}

// TestSystemdOddAnswers has a bus that answers otherwise than systemd.
func TestSystemdOddAnswers(t *testing.T) {
	for name, body := range map[string][]any{
		"nothing":     nil,
		"no list":     {"units"},
		"other rows":  {[]struct{ A, B string }{{"a", "b"}}},
		"other types": {[]struct{ A, B, C, D, E, F, G string }{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			bus, systemd := newFakeBus(t), newFakeSystemd()
			bus.answer = func(call fakeCall) ([]any, string) {
				if strings.HasSuffix(call.method, ".ListUnits") {
					return body, ""
				}
				return systemd.answer(call)
			}
			s := collectortest.NewScraper(t, newTestSystemd(t, bus.root, nil))
			if out := s.Scrape(collectortest.Timeout); out.Success["systemd"] || out.Text != "" {
				t.Errorf("success %v:\n%s", out.Success["systemd"], out.Text)
			}
			if log := strings.Join(s.Log(), "\n"); !strings.Contains(log, "list units: ") {
				t.Errorf("the log does not say what failed: %s", log)
			}
		})
	}
}

// TestSystemdSilence has a bus that stops answering at each step.
func TestSystemdSilence(t *testing.T) {
	for _, silent := range []string{
		"AUTH", "AUTH EXTERNAL", "org.freedesktop.DBus.Hello", systemdBus + ".Manager.ListUnits", "org.freedesktop.DBus.Properties.Get",
	} {
		t.Run(silent, func(t *testing.T) {
			bus := newFakeBus(t)
			bus.answer = newFakeSystemd().answer
			bus.silent = silent
			d := newTestSystemd(t, bus.root, nil)
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				if _, err := d.ask(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v", err)
				}
				cancel()
				if d.bus != nil {
					t.Error("the connection is kept although answers may still come")
				}
			}
			bus.set(func() { bus.silent = "" })
			if m, err := d.ask(t.Context()); err != nil || len(m.units) == 0 {
				t.Errorf("still failing once the bus answers: %v", err)
			}
			if n := bus.connections(); n != 4 {
				t.Errorf("%d connections for four attempts", n)
			}
		})
	}
}

// TestSystemdBusRestarts ends the bus between two scrapes.
func TestSystemdBusRestarts(t *testing.T) {
	bus := newFakeBus(t)
	bus.answer = newFakeSystemd().answer
	d := newTestSystemd(t, bus.root, nil)
	s := collectortest.NewScraper(t, d)
	for i := range 3 {
		if out := s.Scrape(collectortest.Timeout); !out.Success["systemd"] {
			t.Errorf("scrape %d failed: %q", i, s.Log())
		}
		bus.stop()
		bus.listen()
	}
	if n := bus.connections(); n != 3 {
		t.Errorf("%d connections", n)
	}
	bus.stop()
	if out := s.Scrape(collectortest.Timeout); out.Success["systemd"] {
		t.Error("success without a bus")
	}
	if log := strings.Join(s.Log(), "\n"); strings.Count(log, "\n") != 0 || !strings.Contains(log, bus.root) {
		t.Errorf("the log does not say once where the bus is missing: %s", log)
	}
	bus.listen()
	d.Close()
	if out := s.Scrape(collectortest.Timeout); !out.Success["systemd"] {
		t.Errorf("failed after Close: %q", s.Log())
	}
}

func TestBusAddress(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "")
	for root, want := range map[string]string{
		"/": "unix:path=/run/dbus/system_bus_socket", "//": "unix:path=/run/dbus/system_bus_socket",
		"/host": "unix:path=/host/run/dbus/system_bus_socket", "/my host,x": "unix:path=/my%20host%2cx/run/dbus/system_bus_socket",
	} {
		if got := busAddress(root); got != want {
			t.Errorf("%q: %s, want %s", root, got, want)
		}
	}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/elsewhere")
	if a, b := busAddress("/"), busAddress("/host"); a != "unix:path=/elsewhere" || strings.Contains(b, "elsewhere") {
		t.Errorf("%s, %s", a, b)
	}
}

// TestManyUnits makes more calls than are sent at a time.
func TestManyUnits(t *testing.T) {
	bus, systemd := newFakeBus(t), newFakeSystemd()
	systemd.units = nil
	for i := range 300 {
		name := fmt.Sprintf("u%d.service", i)
		systemd.units = append(systemd.units, listed(name, "loaded", "active"))
		systemd.values[name+" Service.Type"] = "simple"
		systemd.values[name+" Service.NRestarts"] = uint32(i)
	}
	bus.answer = systemd.answer
	d := newTestSystemd(t, bus.root, func(o *Options) { o.UnitRestarts = true })
	text := collectortest.Text(t, d)
	for _, i := range []int{0, 63, 64, 65, 127, 128, 299} {
		for _, want := range []string{
			fmt.Sprintf("node_systemd_service_restart_total{name=\"u%d.service\"} %d\n", i, i),
			fmt.Sprintf("node_systemd_unit_state{name=\"u%d.service\",state=\"active\",type=\"simple\"} 1\n", i),
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s", want)
			}
		}
	}
}

func TestSystemdIsOff(t *testing.T) {
	if d := newTestSystemd(t, "/", nil); d.Parts()[0].Default {
		t.Error("on by default")
	}
	if _, err := os.Stat("/run/dbus/system_bus_socket"); err != nil {
		if _, success := collectortest.Scrape(t, newTestSystemd(t, "/", nil)); success["systemd"] {
			t.Error("success without a bus")
		}
	}
}
