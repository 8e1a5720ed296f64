package hosttest_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

var update = flag.Bool("update", false, "rewrite testdata/families.txt")

// outOfScope are default collectors of node_exporter for what the machines do not have.
var outOfScope = map[string]bool{
	"bcachefs": true, "fibrechannel": true, "infiniband": true, "ipvs": true, "nfs": true, "nfsd": true, "tapestats": true, "zfs": true,
}

// interfaces scrapes node_exporter over a machine, and returns names, labels and types of the host's families.
func interfaces(t *testing.T, p hosttest.Paths) string {
	t.Helper()
	x, err := collectortest.ParseText(hosttest.NodeExporter(t, p.Flags()...)())
	if err != nil {
		t.Fatal(err)
	}
	for series, ok := range x["node_scrape_collector_success"].Series {
		name := strings.Split(series, `"`)[1]
		if ok != 1 && !outOfScope[name] {
			t.Errorf("collector %s failed", name)
		}
		if ok == 1 && outOfScope[name] {
			t.Errorf("collector %s is said to be out of scope, and succeeded", name)
		}
	}
	var b strings.Builder
	for _, e := range x.Families() {
		if strings.HasPrefix(e.Name, "node_") || strings.HasPrefix(e.Name, "backup_") {
			b.WriteString(e.Interface() + "\n")
		}
	}
	return b.String()
}

// TestNodeExporterReadsTheMachines runs node_exporter over a small and a large machine: all its collectors succeed, and
// the families are those of the golden file.
func TestNodeExporterReadsTheMachines(t *testing.T) {
	const golden = "testdata/families.txt"
	small, err := hosttest.Small(hosttest.Dir(t))
	if err != nil {
		t.Fatal(err)
	}
	got := interfaces(t, small)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("small machine (-want +got):\n%s", diff)
	}
	large, err := hosttest.Large(hosttest.Dir(t), hosttest.Size{CPUs: 16, Disks: 40, Interfaces: 40, Mounts: 100})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), interfaces(t, large)); diff != "" {
		t.Errorf("large machine (-want +got):\n%s", diff)
	}
}
