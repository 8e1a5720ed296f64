package api

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/chronoops/chronoops/collector"
)

// FreeHandler serves /probe?target=URL&module=NAME. It answers 403 for a target outside the allow-list.
type FreeHandler struct {
	Free    *Free
	Exposer *collector.Exposer
	Logger  *slog.Logger
}

// ServeHTTP probes the target of the request once.
func (h FreeHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if len(q["target"]) != 1 || len(q["module"]) != 1 {
		http.Error(w, "give one target and one module, e.g. /probe?module=http_2xx&target=https%3A%2F%2Fexample.com", http.StatusBadRequest)
		return
	}
	c, err := h.Free.Collector(q.Get("target"), q.Get("module"))
	if err != nil {
		status := http.StatusBadRequest
		if errors.Is(err, ErrNotAllowed) {
			status = http.StatusForbidden
		}
		http.Error(w, err.Error(), status)
		return
	}
	unit := collector.NewUnit("probe", c, h.Logger)
	set, err := collector.NewSet([]*collector.Unit{unit}, collector.SetOptions{Logger: h.Logger})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.Exposer.Serve(w, r, set)
}
