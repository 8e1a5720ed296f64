package collector

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// slowClient is one that takes an answer when it likes to.
type slowClient struct {
	*httptest.ResponseRecorder
	arrived *sync.WaitGroup
	release chan struct{}
}

func (c slowClient) Write(b []byte) (int, error) {
	c.arrived.Done()
	<-c.release
	return len(b), nil
}

// TestSlowClientsHoldLittle counts what answers occupy while 40 clients do not take them: as much as is sent.
func TestSlowClientsHoldLittle(t *testing.T) {
	const clients = 40
	values := make([]string, 10_000)
	for i := range values {
		values[i] = strconv.Itoa(i)
	}
	c := &fake{parts: []string{"a"}, collect: func(_ context.Context, w *Writer) error {
		w.Part("a", func() error {
			for _, v := range values {
				w.Add(fakeValue, 1, v)
			}
			return nil
		})
		return nil
	}}
	s, _ := newTestSet(t, nil, c)
	h := newTestExposer(ExposerOptions{MaxRequests: clients}).Metrics(func() *Set { return s })
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	plain := get(h, "/metrics").Body.Len()
	for _, coding := range []string{"gzip", "zstd"} {
		sent := get(h, "/metrics", "Accept-Encoding", coding).Body.Len()
		before := heap()
		var arrived, served sync.WaitGroup
		release := make(chan struct{})
		arrived.Add(clients)
		for range clients {
			served.Go(func() {
				r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
				r.Header.Set("Accept-Encoding", coding)
				h.ServeHTTP(slowClient{httptest.NewRecorder(), &arrived, release}, r)
			})
		}
		arrived.Wait()
		held := heap() - before
		close(release)
		served.Wait()
		t.Logf("%s: %d bytes for %d answers of %d, %d when unpacked", coding, held, clients, sent, plain)
		if held > clients*(3*sent+32<<10) { // a buffer grows by doubling, and a request has fields of its own
			t.Errorf("%s: %d bytes are held for %d answers of %d", coding, held, clients, sent)
		}
	}
}
