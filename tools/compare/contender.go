package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"debug/buildinfo"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/tools/stack"
)

// The headers of Prometheus 3 with its defaults.
const (
	accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7," +
		"application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5," +
		"text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
	acceptText    = "text/plain;version=0.0.4"
	userAgent     = "Prometheus/3.16.0"
	scrapeTimeout = 30 * time.Second
	patience      = 5 * time.Minute // a program whose calls are traced may take many times its own time
)

// contender is a running program.
type contender struct {
	name   string
	file   string
	server *stack.Exporter
	url    string
	client *http.Client
}

func newContender(name, file string, s *stack.Exporter, path string) *contender {
	return &contender{
		name: name, file: file, server: s, url: s.URL + path,
		// One kept connection, as Prometheus has; the body is taken as it comes.
		client: &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 1}, Timeout: patience},
	}
}

// answer is what a scrape gave.
type answer struct {
	took    time.Duration
	body    []byte // as it came
	gzipped bool
}

// scrape asks as Prometheus does.
func (c *contender) scrape(ctx context.Context) (answer, error) {
	return c.get(ctx, c.url, accept, "gzip")
}

func (c *contender) get(ctx context.Context, url, accept, encoding string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", encoding)
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", fmt.Sprint(scrapeTimeout.Seconds()))
	start := time.Now()
	resp, err := c.client.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("scrape %s: %w; its output:\n%s", c.name, err, c.server.Output())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	took := time.Since(start)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.500s", resp.Status, body)
	}
	if err != nil {
		return answer{}, fmt.Errorf("scrape %s: %w", c.name, err)
	}
	return answer{took: took, body: body, gzipped: resp.Header.Get("Content-Encoding") == "gzip"}, nil
}

// plain returns the text of an answer.
func (a answer) plain() ([]byte, error) {
	if !a.gzipped {
		return a.body, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(a.body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// families scrapes for the sake of the families: in the one format in which names are told as they are.
func (c *contender) families(ctx context.Context) (collectortest.Exposition, error) {
	return c.exposition(ctx, c.url)
}

func (c *contender) exposition(ctx context.Context, url string) (collectortest.Exposition, error) {
	a, err := c.get(ctx, url, acceptText, "identity")
	if err != nil {
		return nil, err
	}
	return collectortest.ParseText(string(a.body))
}

// version is what the program says in its build_info, else what its module was when it was built.
func (c *contender) version(ctx context.Context) string {
	x, err := c.exposition(ctx, c.server.URL+"/metrics")
	if err != nil {
		return "unknown"
	}
	for _, e := range x {
		if !strings.HasSuffix(e.Name, "_build_info") {
			continue
		}
		for key := range e.Series {
			_, rest, _ := strings.Cut(key, `,version="`)
			if v, _, _ := strings.Cut(rest, `"`); v != "" {
				return v
			}
		}
	}
	info, err := buildinfo.ReadFile(c.file)
	if err != nil {
		return "unknown"
	}
	for _, m := range info.Deps {
		if path.Base(m.Path) == c.name {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return cmp.Or(strings.TrimPrefix(info.Main.Version, "v"), "unknown")
}
