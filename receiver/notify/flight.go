package notify

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync"
	"time"

	commoncfg "github.com/prometheus/common/config"
)

// flight watches the HTTP requests of one send, to know afterwards whether the last of them can have arrived.
type flight struct {
	mu       sync.Mutex
	begun    bool // a connection was asked for
	written  bool // the header was handed to it: from here on the other side may have the request
	answered bool // a response has begun
}

func (f *flight) watch(ctx context.Context) context.Context {
	set := func(begun, written, answered bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.begun, f.written, f.answered = begun, written, answered
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              func(string) { set(true, false, false) },
		WroteHeaders:         func() { set(true, true, false) },
		GotFirstResponseByte: func() { set(true, true, true) },
	})
}

func (f *flight) state() (begun, written, answered bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begun, f.written, f.answered
}

// httpOptions are for every integration's client: a connection for each request, that ends by itself. A kept one might
// have been closed by the other side just as a page is written to it, which looks like a lost page; and not every
// integration obeys its context.
func httpOptions(timeout time.Duration, userAgent string) []commoncfg.HTTPClientOption {
	return []commoncfg.HTTPClientOption{
		commoncfg.WithKeepAlivesDisabled(),
		commoncfg.WithUserAgent(userAgent),
		commoncfg.WithDialContextFunc(dialer(timeout)),
	}
}

func dialer(timeout time.Duration) commoncfg.DialContextFunc {
	d := &net.Dialer{Timeout: timeout}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return conn, nil
	}
}
