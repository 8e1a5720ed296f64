package collector

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestNegotiateCoding(t *testing.T) {
	for header, want := range map[string]coding{
		"":                                    codingIdentity,
		"gzip":                                codingGzip, // Prometheus
		"zstd;q=1.0, gzip;q=0.9":              codingZstd,
		"gzip, zstd":                          codingZstd,
		"gzip, zstd;q=0.9":                    codingGzip,
		"gzip;q=0.9, zstd;q=0.8, identity":    codingIdentity,
		"gzip;q=0.5,identity;q=0.4":           codingGzip,
		"gzip, identity":                      codingGzip,
		"deflate, GZIP":                       codingGzip,
		"x-gzip":                              codingGzip,
		"gzip;q=0":                            codingIdentity,
		"gzip; q=0.0":                         codingIdentity,
		"gzip ; Q = 0.5":                      codingGzip,
		"gzip;q=0.001":                        codingGzip,
		"*":                                   codingGzip,
		"*, zstd;q=0.5":                       codingGzip,
		"*;q=0.5, zstd":                       codingZstd,
		"*;q=0":                               codingIdentity, // nothing is acceptable, and something has to be sent
		"zstd;q=0, *":                         codingGzip,
		"zstd;q=0, *;q=0.5, identity":         codingIdentity,
		"identity;q=0, gzip;q=0.1":            codingGzip,
		"br":                                  codingIdentity,
		"gzip;q=x":                            codingIdentity,
		"gzip;q=NaN":                          codingIdentity,
		"gzip;q=2":                            codingIdentity,
		"gzip;q=-1, zstd;q=0.1":               codingZstd,
		"gzip;level=1":                        codingIdentity,
		",;,=,;q=1,":                          codingIdentity,
		strings.Repeat("br,", 1000) + " zstd": codingZstd,
	} {
		if got := negotiateCoding(strings.Split(header, "|")); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
	if got := negotiateCoding(nil); got != codingIdentity {
		t.Errorf("without the header: %s", got)
	}
	if got := negotiateCoding([]string{"br", "gzip;q=0.5", "zstd;q=0.4"}); got != codingGzip {
		t.Errorf("header in several lines: %s", got)
	}
}

// unpack reverses a Content-Encoding.
func unpack(t *testing.T, h http.Header, body io.Reader) []byte {
	t.Helper()
	switch c := h.Get("Content-Encoding"); c {
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		body = z
	case "zstd":
		z, err := zstd.NewReader(body, zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		body = z
	case "":
	default:
		t.Fatalf("content encoding %q", c)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCodings asks one Exposer in turn for every coding, for answers that are smaller and larger than zstd's window.
func TestCodings(t *testing.T) {
	parts := []string{"few", "many"}
	s, _ := newTestSet(t, nil, &fake{parts: parts, collect: func(_ context.Context, w *Writer) error {
		w.Part("few", func() error { w.Add(fakeValue, 1, "few"); return nil })
		w.Part("many", func() error {
			for i := range 10_000 {
				w.Add(fakeValue, float64(i)/7, strings.Repeat(string(rune('a'+i%26)), i%50)+string(rune('a'+i/26%26))+string(rune('a'+i/676)))
			}
			return nil
		})
		return nil
	}})
	h := newTestExposer(ExposerOptions{}).Metrics(func() *Set { return s })
	for range 3 {
		for _, part := range parts {
			var plain []byte
			for _, coding := range []string{"identity", "gzip", "zstd"} {
				w := get(h, "/metrics?collect[]="+part, "Accept-Encoding", coding)
				if got := w.Header().Get("Content-Encoding"); got != coding && (coding != "identity" || got != "") {
					t.Errorf("content encoding %q, want %s", got, coding)
				}
				if got, want := w.Header().Get("Content-Length"), w.Body.Len(); got != strconv.Itoa(want) {
					t.Errorf("content length %s, want %d", got, want)
				}
				body := withoutDurations(unpack(t, w.Header(), w.Body))
				if plain == nil {
					plain = body
				}
				if !bytes.Equal(body, plain) {
					t.Errorf("%s in %s differs from the plain text", part, coding)
				}
			}
			if part == "many" && len(plain) < 2*zstdWindow {
				t.Errorf("%d bytes do not exceed the window", len(plain))
			}
		}
	}
	w := get(newTestExposer(ExposerOptions{DisableCompression: true}).Metrics(func() *Set { return s }), "/metrics", "Accept-Encoding", "gzip, zstd")
	if w.Header().Get("Content-Encoding") != "" || !strings.Contains(w.Body.String(), "a_fake") {
		t.Error("compressed although it is switched off")
	}
}

// withoutDurations leaves out what differs from scrape to scrape.
func withoutDurations(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(ScrapeDuration.Name)) {
			out = append(out, line...)
		}
	}
	return out
}
