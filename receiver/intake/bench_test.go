package intake_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver/intake"
)

// BenchmarkWebhook measures from a request to its answer, which follows the commit with synchronous=FULL: a new group of
// alerts, each of which opens an episode with a repair, and the same group once it has resolved.
func BenchmarkWebhook(b *testing.B) {
	for _, status := range []string{"firing", "resolved"} {
		for _, alerts := range []int{1, 100, 1000} {
			name := fmt.Sprintf("alerts=%d", alerts)
			if status == "resolved" {
				name = "resolved/" + name
			}
			b.Run(name, func(b *testing.B) {
				w := newWorld(b, func(o *intake.Options) { o.Policies().MaxBody = 16 << 20 })
				took := make([]time.Duration, 0, b.N)
				for n := 0; b.Loop(); n++ {
					b.StopTimer()
					group := strconv.Itoa(n)
					if status == "resolved" {
						w.want(w.post(message(group, "firing", alerts)), http.StatusOK, "")
					}
					body := message(group, status, alerts)
					b.StartTimer()
					start := time.Now()
					rec := w.post(body)
					took = append(took, time.Since(start))
					if rec.Code != http.StatusOK {
						b.Fatalf("%d: %s", rec.Code, rec.Body)
					}
				}
				slices.Sort(took)
				ms := func(p int) float64 { return float64(took[(len(took)-1)*p/100].Microseconds()) / 1000 }
				b.ReportMetric(ms(50), "p50-ms")
				b.ReportMetric(ms(99), "p99-ms")
			})
		}
	}
}
