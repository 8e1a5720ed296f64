package host

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/chronoops/chronoops/collector/collectortest"
)

// TestProcess compares the program's own metrics with those of client_golang: the same names and types, and values that are
// as near as two readings can be.
func TestProcess(t *testing.T) {
	p, err := NewProcess()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	collectortest.Text(t, p) // opens what stays open
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gathered, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	ours, err := parser.TextToMetricFamilies(strings.NewReader(collectortest.Text(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	for _, theirs := range gathered {
		name := theirs.GetName()
		mf := ours[name]
		if mf == nil || mf.GetType() != theirs.GetType() {
			t.Errorf("%s: got %v, want %v", name, mf, theirs)
			continue
		}
		delete(ours, name)
		got, want := value(mf), value(theirs)
		slack := map[string]float64{
			"process_cpu_seconds_total": 0.1, "process_open_fds": 2, "process_start_time_seconds": 0.02,
			"process_resident_memory_bytes": 32 << 20, "process_virtual_memory_bytes": 1 << 30,
			"process_network_receive_bytes_total": math.Inf(1), "process_network_transmit_bytes_total": math.Inf(1),
		}[name]
		if math.Abs(got-want) > slack {
			t.Errorf("%s is %v, client_golang has %v", name, got, want)
		}
	}
	for name := range ours {
		t.Errorf("client_golang has no %s", name)
	}
}

func value(mf *dto.MetricFamily) float64 {
	m := mf.Metric[0]
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

func TestParseOctets(t *testing.T) {
	for _, test := range []struct {
		text string
		want [2]uint64
		fail bool
	}{
		{"TcpExt: A B\nTcpExt: 1 2\nIpExt: InNoRoutes InOctets OutOctets X\nIpExt: 1 22 333 4\n", [2]uint64{22, 333}, false},
		{"IpExt: InOctets OutOctets\nIpExt: 22", [2]uint64{22, 0}, false},
		{"IpExt: InOctets OutOctets\n", [2]uint64{}, true},
		{"IpExt: InOctets\nIpExt: x\n", [2]uint64{}, true},
		{"", [2]uint64{}, true},
	} {
		in, out, err := parseOctets([]byte(test.text))
		if diff := cmp.Diff(test.want, [2]uint64{in, out}); diff != "" || (err != nil) != test.fail {
			t.Errorf("%q: error %v (-want +got):\n%s", test.text, err, diff)
		}
	}
}

func TestCountFDs(t *testing.T) {
	before, err := countFDs("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if after, err := countFDs("/proc/self/fd"); err != nil || after != before+1 {
		t.Errorf("%d descriptors and %v, want %d", after, err, before+1)
	}
	// A folder that does not count its entries by its size, as in older kernels.
	dir := t.TempDir()
	for _, name := range []string{"0", "1", "2"} {
		if err := os.WriteFile(dir+"/"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := readDir(dir); err != nil || len(names) != 3 {
		t.Errorf("read %v and %v", names, err)
	}
}
