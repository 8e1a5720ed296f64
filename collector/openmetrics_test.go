package collector

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// No two families of an OpenMetrics answer have one name, whatever becomes of _total.
func TestOpenMetricsNames(t *testing.T) {
	reg := prometheus.NewRegistry()
	gathered := prometheus.NewCounter(prometheus.CounterOpts{Name: "b_total", Help: "B."})
	reg.MustRegister(gathered)
	w := newWriter(nil)
	w.begin("")
	w.Add(&Family{Name: "a_total", Help: "A.", Type: Counter, Legacy: "a"}, 1)
	w.Add(&Family{Name: "b", Help: "Not B.", Type: Gauge}, 2)
	w.Add(&Family{Name: "c_total", Help: "C.", Type: Counter}, 3)
	if err := w.Gather(reg); err != nil {
		t.Fatal(err)
	}
	s := newSnapshot(true, w.finish())
	const want = `# HELP a Former name of a_total.
# TYPE a unknown
a 1.0
# HELP a_total A.
# TYPE a_total unknown
a_total 1.0
# HELP b Not B.
# TYPE b gauge
b 2.0
# HELP b_total B.
# TYPE b_total unknown
b_total 0.0
# HELP c C.
# TYPE c counter
c_total 3.0
# EOF
`
	for range 2 { // the registry's family is not changed
		var b bytes.Buffer
		if err := encode(&b, expfmt.NewFormat(expfmt.TypeOpenMetrics), s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if text := checkText(t, s); !bytes.Contains([]byte(text), []byte("# TYPE b_total counter\n")) {
		t.Errorf("the text format lost a type:\n%s", text)
	}
}
