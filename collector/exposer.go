package collector

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

const (
	timeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"
	maxTimeout    = 2 * time.Minute // of a scrape, whatever the client allows
)

// DefaultMaxRequests and DefaultTimeoutOffset are node_exporter's and blackbox_exporter's.
const (
	DefaultMaxRequests   = 40
	DefaultTimeoutOffset = 500 * time.Millisecond
)

// ExposerOptions say how scrapes are answered.
type ExposerOptions struct {
	TimeoutOffset      time.Duration // taken off the client's timeout for the way back
	MaxRequests        int           // answered at the same time, more get 503; below 1 is no limit
	DisableCompression bool
	// OpenMetrics offers that format to clients that prefer it, as Prometheus does by default. It has no type for counters
	// whose name does not end in _total, such as pg_stat_database_xact_commit.
	OpenMetrics bool
	// Registerer gets the counts of answered scrapes, promhttp_metric_handler_*; nil for none.
	Registerer prometheus.Registerer
	Logger     *slog.Logger
}

// Exposer answers HTTP requests with the snapshot of a scrape.
type Exposer struct {
	o        ExposerOptions
	formats  []expfmt.Format
	slots    chan struct{} // nil for no limit
	requests *requestMetrics
	encoders encoders
	bodies   sync.Pool // of *[]byte
}

// NewExposer returns an Exposer with a limit of its own on requests in flight.
func NewExposer(o ExposerOptions) *Exposer {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Exposer{o: o, formats: []expfmt.Format{
		expfmt.NewFormat(expfmt.TypeProtoDelim), expfmt.NewFormat(expfmt.TypeTextPlain),
	}}
	if o.OpenMetrics {
		e.formats = append(expfmt.DefaultOpenMetricsAcceptedFormats(), e.formats...)
	}
	if o.MaxRequests > 0 {
		e.slots = make(chan struct{}, o.MaxRequests)
	}
	if o.Registerer != nil {
		e.requests = newRequestMetrics(o.Registerer)
	}
	e.encoders = newEncoders()
	e.bodies.New = func() any { return new([]byte) }
	return e
}

// Metrics serves the set that is current when a request arrives.
func (e *Exposer) Metrics(current func() *Set) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.Serve(w, r, current()) })
}

// Serve scrapes s and writes the result in the format that the client asks for.
func (e *Exposer) Serve(w http.ResponseWriter, r *http.Request, s *Set) {
	code := http.StatusInternalServerError // unless serve comes back
	e.requests.begin()
	defer func() { e.requests.end(code) }()
	code = e.serve(w, r, s)
}

// serve returns the status code of its answer.
func (e *Exposer) serve(w http.ResponseWriter, r *http.Request, s *Set) int {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD are answered here")
	}
	if e.slots != nil {
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
		default:
			return refuse(w, http.StatusServiceUnavailable, "too many scrapes at the same time: "+strconv.Itoa(e.o.MaxRequests)+
				" are in flight (--web.max-requests)")
		}
	}
	ctx, cancel := e.bounded(r)
	defer cancel()
	var query Query
	if r.URL.RawQuery != "" {
		q := r.URL.Query()
		query = Query{Collect: q["collect[]"], Exclude: q["exclude[]"]}
	}
	snap, err := s.Scrape(ctx, query)
	if err != nil {
		return refuse(w, http.StatusBadRequest, err.Error())
	}
	if snap.ownFailed && r.Context().Err() == nil {
		e.requests.failed(causeGathering)
	}
	return e.answer(w, r, snap)
}

// bounded is the request's context with the deadline of its scrape.
func (e *Exposer) bounded(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), scrapeTimeout(r.Header.Get(timeoutHeader), e.o.TimeoutOffset))
}

func refuse(w http.ResponseWriter, code int, why string) int {
	http.Error(w, why, code)
	return code
}

// scrapeTimeout is the client's timeout less the offset, or half of it if the offset is more than that.
func scrapeTimeout(header string, offset time.Duration) time.Duration {
	seconds, err := strconv.ParseFloat(header, 64)
	if err != nil || !(seconds > 0) {
		return DefaultTimeout
	}
	timeout := maxTimeout
	if seconds < maxTimeout.Seconds() {
		timeout = time.Duration(seconds * float64(time.Second))
	}
	return max(timeout-offset, timeout/2)
}

// answer encodes the whole snapshot before it writes anything, so that an error can still be told.
func (e *Exposer) answer(w http.ResponseWriter, r *http.Request, snap *Snapshot) int {
	format := expfmt.NegotiateAccept(r.Header, e.formats...)
	if format.FormatType() == expfmt.TypeTextPlain {
		format = expfmt.NewFormat(expfmt.TypeTextPlain) // every name is valid in it, nothing is escaped
	}
	to := codingIdentity
	if !e.o.DisableCompression {
		to = negotiateCoding(r.Header.Values("Accept-Encoding"))
	}
	kept := e.bodies.Get().(*[]byte)
	defer func() {
		if cap(*kept) <= keepBuffer {
			e.bodies.Put(kept)
		}
	}()
	body, err := e.encoders.encode((*kept)[:0], format, to, snap)
	if err != nil {
		e.requests.failed(causeEncoding)
		e.o.Logger.Error("Scrape could not be encoded", "err", err)
		return refuse(w, http.StatusInternalServerError, "cannot encode the metrics: "+err.Error())
	}
	*kept = body
	h := w.Header()
	h.Set("Content-Type", string(format))
	h.Set("Vary", "Accept, Accept-Encoding")
	if to != codingIdentity {
		h.Set("Content-Encoding", string(to))
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		e.requests.failed(causeEncoding)
		e.o.Logger.Debug("Client went away during a scrape", "err", err)
	}
	return http.StatusOK
}
