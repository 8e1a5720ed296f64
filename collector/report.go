package collector

import (
	"errors"
	"time"
)

// The families that tell about the scrape itself.
var (
	ScrapeDuration = &Family{
		Name: "chronoops_scrape_collector_duration_seconds", Type: Gauge, Labels: []string{"collector"},
		Help: "Time the collector took in this scrape.",
	}
	ScrapeSuccess = &Family{
		Name: "chronoops_scrape_collector_success", Type: Gauge, Labels: []string{"collector"},
		Help: "1 if the collector delivered everything it should, 0 if it failed, did not return in time or has nothing to read.",
	}
	ScrapeNoData = &Family{
		Name: "chronoops_scrape_collector_no_data", Type: Gauge, Labels: []string{"collector"},
		Help: "1 if the collector has no success because the target has nothing of its kind, which is no failure.",
	}
	ScrapeDuplicates = &Family{
		Name: "chronoops_scrape_duplicate_samples_total", Type: Counter,
		Help: "Samples dropped because their series was in the same scrape already.",
	}
)

// ReportFamilies are further names under which parts are reported: those of an exporter that their unit stands in for.
type ReportFamilies struct{ Duration, Success *Family }

// NewReportFamilies returns PREFIX_scrape_collector_duration_seconds and PREFIX_scrape_collector_success, both by the
// label collector. Units that stand in for the same exporter share them.
func NewReportFamilies(prefix string) *ReportFamilies {
	return &ReportFamilies{
		Duration: &Family{
			Name: prefix + "_scrape_collector_duration_seconds", Type: Gauge, Labels: ScrapeDuration.Labels,
			Help: "As " + ScrapeDuration.Name + ", for the collectors of this kind.",
		},
		Success: &Family{
			Name: prefix + "_scrape_collector_success", Type: Gauge, Labels: ScrapeSuccess.Labels,
			Help: "As " + ScrapeSuccess.Name + ", for the collectors of this kind.",
		},
	}
}

// report is how a part did.
type report struct {
	ran      bool
	err      error // ErrNoData if all of its calls say so, else the first failure; Collect's own if it was never called
	duration time.Duration
}

// add takes in how another call of the part ended.
func (r *report) add(err error, took time.Duration) {
	if !r.ran || rank(err) > rank(r.err) {
		r.err = err
	}
	r.ran = true
	r.duration += took
}

// What the calls of a part can come to, the one that counts for all of them last.
const (
	hadNothing = iota
	succeeded
	failed
)

func rank(err error) int {
	switch {
	case errors.Is(err, ErrNoData):
		return hadNothing
	case err == nil:
		return succeeded
	default:
		return failed
	}
}

// record tells how a part of u did.
func (r report) record(w *Writer, u *Unit, part string) {
	success, noData := 0.0, 0.0
	switch rank(r.err) {
	case hadNothing:
		noData = 1
	case succeeded:
		success = 1
	}
	w.Add(ScrapeDuration, r.duration.Seconds(), part)
	w.Add(ScrapeSuccess, success, part)
	w.Add(ScrapeNoData, noData, part)
	if u.as != nil {
		w.Add(u.as.Duration, r.duration.Seconds(), part)
		w.Add(u.as.Success, success, part)
	}
}
