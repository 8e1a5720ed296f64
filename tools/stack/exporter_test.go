package stack_test

import (
	"net/http"
	"testing"

	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
)

func TestExporter(t *testing.T) {
	t.Parallel()
	program, err := parts.Find("node_exporter")
	if err != nil {
		t.Fatal(err)
	}
	e, err := stack.StartExporter(t.Context(), stack.ExporterOptions{
		Name: "node_exporter", Program: program, Args: []string{"--web.listen-address=127.0.0.1:@PORT@", "--collector.textfile.directory=@DIR@"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	resp, err := http.Get(e.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("answers %s", resp.Status)
	}
	stopped(t, e, e.Addr, e.Dir)
}
