package collectortest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/collectortest"
)

var (
	second = &collector.Family{Name: "b_total", Help: "Second.", Type: collector.Counter, Labels: []string{"x"}}
	first  = &collector.Family{Name: "a_bytes", Help: "First.", Type: collector.Gauge}
)

type sample struct{}

func (sample) Parts() []collector.Part {
	return []collector.Part{
		{Name: "good", Default: true, Families: []*collector.Family{second}},
		{Name: "bad", Families: []*collector.Family{first}},
	}
}

func (sample) Collect(_ context.Context, w *collector.Writer) error {
	w.Part("good", func() error { w.Add(second, 2, "z"); w.Add(second, 1, "y"); return nil })
	w.Part("bad", func() error { w.Add(first, 1); return errors.New("broken") })
	return nil
}

// empty is a collector of which one part has nothing to read.
type empty struct{}

func (empty) Parts() []collector.Part { return []collector.Part{{Name: "none"}, {Name: "broken"}} }

func (empty) Collect(_ context.Context, w *collector.Writer) error {
	w.Part("none", func() error { return collector.ErrNoData })
	w.Part("broken", func() error { return errors.New("broken") })
	return nil
}

func TestScraper(t *testing.T) {
	got := collectortest.NewScraper(t, empty{}).Scrape(collectortest.Timeout)
	got.Took = 0
	want := collectortest.Outcome{Success: map[string]bool{"none": false, "broken": false}, NoData: map[string]bool{"none": true, "broken": false}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestScrape(t *testing.T) {
	collectortest.Lint(t, sample{})
	const good = "# HELP b_total Second.\n# TYPE b_total counter\nb_total{x=\"y\"} 1\nb_total{x=\"z\"} 2\n"
	if diff := cmp.Diff("# HELP a_bytes First.\n# TYPE a_bytes gauge\na_bytes 1\n"+good, collectortest.Text(t, sample{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, success := collectortest.Scrape(t, sample{})
	if diff := cmp.Diff(map[string]bool{"good": true, "bad": false}, success); diff != "" {
		t.Errorf("success (-want +got):\n%s", diff)
	}
	text, success := collectortest.Scrape(t, sample{}, "good")
	if diff := cmp.Diff(good, text); diff != "" {
		t.Errorf("one part (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]bool{"good": true}, success); diff != "" {
		t.Errorf("success of one part (-want +got):\n%s", diff)
	}
}

func TestParseText(t *testing.T) {
	x, err := collectortest.ParseText(`# TYPE a_total counter
a_total{b="1",a="x \"y\""} 3
a_total{c="2"} 4
# TYPE h histogram
h_bucket{le="0.5"} 1
h_bucket{le="+Inf"} 2
h_sum 1.5
h_count 2
plain -1
`)
	if err != nil {
		t.Fatal(err)
	}
	var interfaces []string
	for _, e := range x.Families() {
		interfaces = append(interfaces, e.Interface())
	}
	if diff := cmp.Diff([]string{"a_total{a,b,c} counter", "h{} histogram", "plain{} untyped"}, interfaces); diff != "" {
		t.Error(diff)
	}
	want := map[string]float64{`a_total{a="x \"y\"",b="1"}`: 3, `a_total{c="2"}`: 4}
	if diff := cmp.Diff(want, x["a_total"].Series); diff != "" {
		t.Error(diff)
	}
	want = map[string]float64{`h_bucket{le="0.5"}`: 1, `h_bucket{le="+Inf"}`: 2, "h_sum{}": 1.5, "h_count{}": 2}
	if diff := cmp.Diff(want, x["h"].Series); diff != "" {
		t.Error(diff)
	}
	if x["plain"].Series["plain{}"] != -1 {
		t.Errorf("plain: %v", x["plain"].Series)
	}
	if _, err := collectortest.ParseText("no metrics here\n"); err == nil {
		t.Error("text without metrics was accepted")
	}
}
