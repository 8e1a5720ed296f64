package host

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/tools/booted"
	"github.com/chronoops/chronoops/tools/parts"
)

// nodeUnits are what the test inside looks at: all but those that change while it does.
const nodeUnits = `(node|root|ordinary|dbus)\.(service|socket)|.+\.(automount|device|scope|slice)`

// TestBootedSystemd asks a real systemd and compares with what node_exporter, running there too, has asked.
func TestBootedSystemd(t *testing.T) {
	switch booted.Role() {
	case booted.Root:
		insideAsRoot(t)
	case booted.Ordinary:
		sameUnits(t, "/")
	default:
		exporter, err := parts.Find("node_exporter")
		if err != nil {
			t.Fatal(err)
		}
		booted.Boot(t, booted.Machine{
			Files: map[string]string{"node_exporter": exporter.Path},
			Units: map[string]string{
				"node.socket": "[Socket]\nListenStream=/run/node.sock\nSocketMode=0666",
				"node.service": "[Service]\nExecStart=/run/out/node_exporter --web.systemd-socket --collector.disable-defaults --collector.systemd " +
					"--collector.systemd.enable-task-metrics --collector.systemd.enable-restarts-metrics --collector.systemd.enable-start-time-metrics " +
					"--collector.systemd.unit-exclude=" + strings.ReplaceAll(nodeUnits, `\`, `\\`),
				"demo.service":    "[Service]\nType=exec\nExecStart=/bin/sleep infinity\nTasksMax=33",
				"done.service":    "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true",
				"broken.service":  "[Service]\nType=oneshot\nExecStart=/bin/false",
				"restart.service": "StartLimitBurst=3\nStartLimitIntervalSec=600\n[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=10ms",
				"tick.timer":      "[Timer]\nOnActiveSec=0\nAccuracySec=1ms\nUnit=done.service",
				"never.timer":     "[Timer]\nOnCalendar=2099-01-01",
				"lazy.socket":     "[Socket]\nListenStream=/run/lazy.sock",
				"lazy.service":    "[Service]\nExecStart=/bin/sleep infinity",
				"each.socket":     "[Socket]\nListenStream=/run/each.sock\nAccept=yes",
				"each@.service":   "[Service]\nExecStart=/bin/sleep infinity",
			},
			Wants: []string{
				"node.socket", "demo.service", "done.service", "broken.service", "restart.service", "tick.timer", "never.timer", "lazy.socket", "each.socket",
			},
		})
	}
}

func insideAsRoot(t *testing.T) {
	for range 2 {
		conn, err := net.Dial("unix", "/run/each.sock")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	t.Run("system bus", func(t *testing.T) { sameUnits(t, "/") })
	t.Run("root elsewhere", func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "host")
		if err := os.Symlink("/", link); err != nil {
			t.Fatal(err)
		}
		t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
		sameUnits(t, link)
	})
	t.Run("without a bus", func(t *testing.T) {
		t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
		sameUnits(t, "/")
	})
	t.Run("bus restarts", func(t *testing.T) {
		s := collectortest.NewScraper(t, insideSystemd(t, "/"))
		if out := s.Scrape(collectortest.Timeout); !out.Success["systemd"] {
			t.Fatalf("%q", s.Log())
		}
		own, err := dialBus(t.Context(), socketAddress("/", "/run/systemd/private"), false)
		if err != nil {
			t.Fatal(err)
		}
		defer own.close()
		ended := make(chan error, 1)
		err = own.call(t.Context(), []busCall{{
			path: managerAt, method: systemdBus + ".Manager.RestartUnit", args: []any{"dbus.service", "replace"},
			answer: func(_ []any, err error) error { ended <- err; return err },
		}})
		if err != nil || <-ended != nil {
			t.Fatalf("restart the bus: %v", err)
		}
		for !s.Scrape(collectortest.Timeout).Success["systemd"] { // systemd has to come back to the bus first
			if t.Context().Err() != nil {
				t.Fatalf("never again: %q", s.Log())
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func insideSystemd(t *testing.T, root string) *Systemd {
	return newTestSystemd(t, root, func(o *Options) {
		o.UnitTasks, o.UnitRestarts, o.UnitStart = true, true, true
		o.Units.Exclude = nodeUnits
	})
}

// sameUnits compares until nothing happens between two scrapes, as units are still starting.
func sameUnits(t *testing.T, root string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := insideSystemd(t, root)
	for {
		before := insideExporter(t)
		got := ours(t, []collector.Collector{on{d}})
		after := insideExporter(t)
		settled := before["node_systemd_service_restart_total"].Series[`node_systemd_service_restart_total{name="restart.service"}`] > 0
		if settled && maps.EqualFunc(before, after, func(a, b *collectortest.Exposed) bool { return maps.Equal(a.Series, b.Series) }) {
			compareSystemd(t, got, after)
			return
		}
		if ctx.Err() != nil {
			t.Fatal("units never come to rest")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func compareSystemd(t *testing.T, got, want collectortest.Exposition) {
	t.Helper()
	for _, f := range systemdFamilies {
		g, w := got[f.Name], want[f.Name]
		if g == nil || w == nil || g.Interface() != w.Interface() {
			t.Errorf("%s: we have %v, node_exporter %v", f.Name, g, w)
			continue
		}
		for _, difference := range differences(g.Series, w.Series, true) {
			t.Error(difference)
		}
	}
	if len(got) != len(want) {
		t.Errorf("we have %d families, node_exporter %v", len(got), slices.Sorted(maps.Keys(want)))
	}
	for series, value := range map[string]float64{
		`node_systemd_unit_state{name="demo.service",state="active",type="exec"}`:      1,
		`node_systemd_unit_state{name="broken.service",state="failed",type="oneshot"}`: 1,
		`node_systemd_unit_tasks_max{name="demo.service"}`:                             33,
		`node_systemd_unit_tasks_current{name="demo.service"}`:                         1,
	} {
		name, _, _ := strings.Cut(series, "{")
		if got[name] == nil || got[name].Series[series] != value {
			t.Errorf("no %s %v", series, value)
		}
	}
}

// on is a collector whose parts are on.
type on struct{ collector.Collector }

func (c on) Parts() []collector.Part {
	parts := slices.Clone(c.Collector.Parts())
	for i := range parts {
		parts[i].Default = true
	}
	return parts
}

func insideExporter(t *testing.T) collectortest.Exposition {
	t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", "/run/node.sock")
		},
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://node/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	x := parse(t, string(body))
	maps.DeleteFunc(x, func(name string, _ *collectortest.Exposed) bool { return exempted(name) })
	return x
}
