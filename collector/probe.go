package collector

import (
	"context"
	"net/http"
	"strconv"
)

// ProbeHandler serves /probe?target=NAME: the metrics of one configured target.
type ProbeHandler struct {
	Exposer *Exposer
	Lookup  func(ctx context.Context, name string) *Set // nil for a name that is not configured, nor found at run time
	// Module answers requests with a module parameter, whose targets are free-form addresses. Nil refuses them.
	Module http.Handler
}

// ServeHTTP answers 400 without a target and 404 for an unknown one, which Prometheus shows as the scrape's error.
func (h ProbeHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	target := q.Get("target")
	switch {
	case q.Has("module") && h.Module != nil:
		h.Module.ServeHTTP(w, r)
	case q.Has("module"):
		http.Error(w, "no probe modules are configured: leave out module to read a configured target by its name",
			http.StatusBadRequest)
	case target == "":
		http.Error(w, "the target parameter is missing: give the name of a configured target, as /sd lists them",
			http.StatusBadRequest)
	case len(q["target"]) > 1:
		http.Error(w, "more than one target: give one", http.StatusBadRequest)
	default:
		ctx, cancel := h.Exposer.bounded(r) // what it takes to find the target is taken off the scrape
		defer cancel()
		set := h.Lookup(ctx, target)
		if set == nil {
			http.Error(w, "unknown target "+strconv.Quote(target)+": configure it under targets, /sd lists those there are",
				http.StatusNotFound)
			return
		}
		h.Exposer.Serve(w, r.WithContext(ctx), set)
	}
}
