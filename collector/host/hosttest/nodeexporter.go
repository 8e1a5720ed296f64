package hosttest

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
)

// NodeExporter runs node_exporter until the test ends, e.g. over Paths.Flags, and returns a function that scrapes it.
func NodeExporter(t testing.TB, args ...string) (scrape func() string) {
	t.Helper()
	program, err := parts.Find("node_exporter")
	if err != nil {
		t.Fatal(err)
	}
	e, err := stack.StartExporter(t.Context(), stack.ExporterOptions{
		Name: "node_exporter", Program: program, Args: append([]string{"--web.listen-address=127.0.0.1:@PORT@"}, args...),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return func() string {
		t.Helper()
		text, err := get(t, e.URL+"/metrics")
		if err != nil {
			t.Fatalf("scrape node_exporter: %v; its output:\n%s", err, e.Output())
		}
		return text
	}
}

func get(t testing.TB, url string) (string, error) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}
