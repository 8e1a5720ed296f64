package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/tools/stack"
)

// TestClusterIsDiscovered has one configured node, whose cluster is announced and scraped node by node.
func TestClusterIsDiscovered(t *testing.T) {
	t.Parallel()
	cluster, err := stack.StartRedisCluster(context.Background(), stack.RedisOptions{Password: "pw"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	const form = "targets:\n  redis:\n    - {name: cache, url: '%s', password: pw%s}\n"
	p := start(t, folder(t, fmt.Sprintf(form, cluster.Nodes[0].URL, ", cluster: true, check_keys: ['x*']")))

	discovered := func() map[string]map[string]string {
		t.Helper()
		var groups []struct{ Labels map[string]string }
		if err := json.Unmarshal([]byte(p.get("/sd").body), &groups); err != nil {
			t.Fatal(err)
		}
		targets := map[string]map[string]string{}
		for _, g := range groups {
			targets[g.Labels["__param_target"]] = g.Labels
		}
		return targets
	}
	probe := func(name string) (answer, map[string]string) {
		t.Helper()
		a := p.get("/probe?target=" + url.QueryEscape(name))
		return a, samples(a.body)
	}
	targets := discovered()
	if len(targets) != len(cluster.Nodes) || targets["cache"] != nil {
		t.Fatalf("announced %v", targets)
	}
	for i, n := range cluster.Nodes {
		name := "cache@" + n.Addr
		got := targets[name]
		role := map[bool]string{true: "primary", false: "replica"}[i < 3]
		onMetrics := map[bool]string{true: "true"}[i == 0]
		if got["instance"] != name || got["chronoops_kind"] != "redis" || got["__meta_chronoops_role"] != role || got[onMetricsLabel] != onMetrics ||
			got["__meta_chronoops_group"] != "cache" {
			t.Errorf("%s is announced as %v", name, got)
		}
		if a, m := probe(name); a.status != http.StatusOK || m["redis_up"] != "1" || m["redis_cluster_state"] != "1" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if _, m := probe("cache"); m["redis_up"] != "1" || m[`chronoops_redis_nodes{role="replica",state="ok"}`] != "3" {
		t.Error("the target itself cannot be probed")
	}
	for _, name := range []string{"cache@127.0.0.1:1", "cache@", "other@" + cluster.Nodes[1].Addr, "cache@" + cluster.Nodes[1].Addr + "x"} {
		if a, _ := probe(name); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if all := p.get("/config").body + p.get("/sd").body; strings.Contains(all, "pw\"") || strings.Contains(all, ": pw") {
		t.Error("the password is shown")
	}

	// A reload that changes nothing here keeps the connections; one that takes the nodes away closes them.
	connected := func() string {
		t.Helper()
		_, m := probe("cache@" + cluster.Nodes[1].Addr)
		return m["redis_connections_received_total"]
	}
	before := connected()
	p.reload(fmt.Sprintf(form, cluster.Nodes[0].URL, ", cluster: true, check_keys: ['x*']")+"\ninstance: {name: other}\n", reloaded)
	if after := connected(); after != before {
		t.Errorf("%s connections before the reload, %s after", before, after)
	}
	p.reload(fmt.Sprintf(form, cluster.Nodes[0].URL, ""), reloaded)
	if targets := discovered(); len(targets) != 1 || targets["cache"] == nil {
		t.Errorf("announced %v", targets)
	}
	if a, _ := probe("cache@" + cluster.Nodes[1].Addr); a.status != http.StatusNotFound {
		t.Errorf("a node is still there: %d", a.status)
	}
	p.eventually("the connection to go", func() error {
		list, err := cluster.Nodes[1].Do(t.Context(), "CLIENT", "LIST")
		if err == nil && strings.Contains(fmt.Sprint(list), " name=chronoops ") {
			err = fmt.Errorf("it is still there: %s", list)
		}
		return err
	})
}

// TestClusterThatIsDown announces what is configured while nothing can be found.
func TestClusterThatIsDown(t *testing.T) {
	t.Parallel()
	p := start(t, folder(t, "targets:\n  redis:\n    - {name: cache, url: 'redis://"+deadPort(t)+"', cluster: true}\n"))
	if body := p.get("/sd").body; !strings.Contains(body, `"__param_target": "cache"`) {
		t.Errorf("/sd says %s", body)
	}
	if a := p.get("/probe?target=cache@127.0.0.1:1"); a.status != http.StatusNotFound {
		t.Errorf("an unknown node: %d", a.status)
	}
}
