package collector

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/common/expfmt"
)

const (
	timeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"
	maxTimeout    = 2 * time.Minute // of a scrape, whatever the client allows
	keepBuffer    = 4 << 20         // bytes; larger buffers are not kept for the next scrape
)

// ExposerOptions say how scrapes are answered. Zero fields mean the defaults.
type ExposerOptions struct {
	TimeoutOffset      time.Duration // taken off the client's timeout for the way back; default 0.5 s
	MaxRequests        int           // answered at the same time, more get 503; default 40, below 0 is no limit
	DisableCompression bool
	// OpenMetrics offers that format to clients that prefer it, as Prometheus does by default. It is off because its
	// rules rename counters without _total, so that pg_stat_database_xact_commit would no longer be found.
	OpenMetrics bool
	Logger      *slog.Logger
}

// Exposer answers HTTP requests with the snapshot of a scrape.
type Exposer struct {
	o       ExposerOptions
	formats []expfmt.Format
	slots   chan struct{} // nil for no limit
	buffers sync.Pool
	gzips   sync.Pool
}

// NewExposer returns an Exposer with a limit of its own on requests in flight.
func NewExposer(o ExposerOptions) *Exposer {
	if o.TimeoutOffset == 0 {
		o.TimeoutOffset = 500 * time.Millisecond
	}
	if o.MaxRequests == 0 {
		o.MaxRequests = 40
	}
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
	e.buffers.New = func() any { return new([]byte) }
	e.gzips.New = func() any {
		z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // fails for an unknown level only
		return z
	}
	return e
}

// Metrics serves the set that is current when a request arrives.
func (e *Exposer) Metrics(current func() *Set) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.Serve(w, r, current()) })
}

// Serve scrapes s and writes the result in the format that the client asks for.
func (e *Exposer) Serve(w http.ResponseWriter, r *http.Request, s *Set) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
		return
	}
	if e.slots != nil {
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
		default:
			http.Error(w, "too many scrapes at the same time: "+strconv.Itoa(e.o.MaxRequests)+
				" are in flight (--web.max-requests)", http.StatusServiceUnavailable)
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), scrapeTimeout(r.Header.Get(timeoutHeader), e.o.TimeoutOffset))
	defer cancel()
	q := r.URL.Query()
	snap, err := s.Scrape(ctx, Query{Collect: q["collect[]"], Exclude: q["exclude[]"]})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := e.write(w, r, snap); err != nil {
		e.o.Logger.Debug("Client went away during a scrape", "err", err)
	}
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

func (e *Exposer) write(w http.ResponseWriter, r *http.Request, snap *Snapshot) error {
	format := expfmt.NegotiateAccept(r.Header, e.formats...)
	text := format.FormatType() == expfmt.TypeTextPlain
	if text {
		format = expfmt.NewFormat(expfmt.TypeTextPlain) // every name is valid in it, nothing is escaped
	}
	h := w.Header()
	h.Set("Content-Type", string(format))
	h.Set("Vary", "Accept, Accept-Encoding")

	var out io.Writer = w
	compress := !e.o.DisableCompression && acceptsGzip(r.Header.Get("Accept-Encoding"))
	if compress {
		h.Set("Content-Encoding", "gzip")
		z := e.gzips.Get().(*gzip.Writer)
		defer e.gzips.Put(z)
		z.Reset(w)
		defer z.Close()
		out = z
	}
	if !text {
		return encode(out, format, snap)
	}
	buf := e.buffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= keepBuffer {
			e.buffers.Put(buf)
		}
	}()
	*buf = snap.AppendText((*buf)[:0])
	if !compress {
		h.Set("Content-Length", strconv.Itoa(len(*buf)))
	}
	_, err := out.Write(*buf)
	return err
}

// encode writes the snapshot with Prometheus' own encoders.
func encode(w io.Writer, format expfmt.Format, snap *Snapshot) error {
	mfs, err := snap.Gather()
	if err != nil {
		return err
	}
	enc := expfmt.NewEncoder(w, format)
	for _, mf := range mfs {
		if err := enc.Encode(mf); err != nil {
			return err
		}
	}
	if c, ok := enc.(expfmt.Closer); ok {
		return c.Close()
	}
	return nil
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110, section 12.5.3).
func acceptsGzip(header string) bool {
	for coding := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if !ok {
			return true
		}
		weight, err := strconv.ParseFloat(q, 64)
		return err == nil && weight > 0
	}
	return false
}
