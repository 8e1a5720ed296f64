package collector

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// Announcement is a target as /sd presents it to Prometheus.
type Announcement struct {
	Name   string            // the target parameter of /probe
	Kind   string            // postgres, redis, api, …
	Labels map[string]string // further labels; instance is the name unless given here
}

// targetGroup is an element of Prometheus' HTTP service discovery format.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// Discovery serves /sd for Prometheus' http_sd_configs: every target is to be scraped at /probe of this process.
type Discovery struct {
	Targets   func(context.Context) []Announcement
	Address   string // host:port under which Prometheus reaches this process; default the request's Host
	ProbePath string // default /probe
}

// ServeHTTP answers with a JSON list, empty if there are no targets.
func (d Discovery) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
		return
	}
	address, scheme := cmp.Or(d.Address, r.Host), "http"
	if r.TLS != nil {
		scheme = "https"
	}
	groups := []targetGroup{}
	for _, t := range d.Targets(r.Context()) {
		// All targets share the address: without an instance of its own each would overwrite the others.
		labels := map[string]string{"instance": t.Name}
		maps.Copy(labels, t.Labels)
		labels["__metrics_path__"] = cmp.Or(d.ProbePath, "/probe")
		labels["__param_target"] = t.Name
		labels["__scheme__"] = scheme
		labels["chronoops_kind"] = t.Kind
		groups = append(groups, targetGroup{Targets: []string{address}, Labels: labels})
	}
	slices.SortStableFunc(groups, func(a, b targetGroup) int {
		return cmp.Compare(a.Labels["__param_target"], b.Labels["__param_target"])
	})
	b, err := json.MarshalIndent(groups, "", "  ")
	if err != nil {
		http.Error(w, "cannot encode the targets: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n'))
}
