package host

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector/collectortest"
)

// TestTCPStates looks at a connection of its own, through netlink and in files.
func TestTCPStates(t *testing.T) {
	const queued = 1234
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := client.Write(make([]byte, queued)); err != nil {
		t.Fatal(err)
	}
	overFiles := newTestGroup(t, newSources(Defaults()), []area{tcpstatArea})
	overFiles.s.sockets[0].failed = time.Now()
	overNetlink := newTestGroup(t, newSources(Defaults()), []area{tcpstatArea})
	for name, g := range map[string]*Group{"files": overFiles, "netlink": overNetlink} {
		text, success := collectortest.Scrape(t, g)
		if !success["tcpstat"] {
			t.Fatalf("%s: failed", name)
		}
		states := parse(t, text)["node_tcp_connection_states"].Series
		for state, least := range map[string]float64{"established": 2, "listen": 1, "rx_queued_bytes": queued} {
			if got := states[`node_tcp_connection_states{state="`+state+`"}`]; got < least {
				t.Errorf("%s: %s is %v, want at least %v", name, state, got, least)
			}
		}
	}
	if !overNetlink.s.sockets[0].failed.IsZero() {
		t.Error("netlink was not used")
	}
}

func TestTCPStatesOverNetlink(t *testing.T) {
	socket := func(state uint8, rx, tx uint32) []byte {
		b := make([]byte, diagMessageSize)
		b[1] = state
		binary.NativeEndian.PutUint32(b[diagRxQueue:], rx)
		binary.NativeEndian.PutUint32(b[diagTxQueue:], tx)
		return message(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_MULTI, b)
	}
	changed := message(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR, nil)
	for name, test := range map[string]struct {
		answers [][][]byte
		want    map[string]float64
	}{
		"both": {
			[][][]byte{{socket(1, 10, 1), socket(10, 2, 128), listEnd(0)}, {socket(1, 5, 0), socket(6, 0, 0), socket(200, 0, 0), listEnd(0)}},
			map[string]float64{
				"established": 2, "listen": 1, "time_wait": 1, "unknown": 1, "rx_queued_bytes": 17, "tx_queued_bytes": 129,
			},
		},
		"read again": {
			[][][]byte{{socket(1, 10, 1), listEnd(0)}, {socket(1, 5, 0), changed}, {socket(8, 5, 0), listEnd(0)}},
			map[string]float64{"established": 1, "close_wait": 1, "rx_queued_bytes": 15, "tx_queued_bytes": 1},
		},
		"none": {[][][]byte{{listEnd(0)}, {listEnd(0)}}, map[string]float64{}},
		"too short": { // so that files are read
			[][][]byte{{message(unix.SOCK_DIAG_BY_FAMILY, 0, make([]byte, diagMessageSize-4)), listEnd(0)}},
			map[string]float64{
				"close_wait": 1, "established": 2, "fin_wait1": 1, "listen": 2, "syn_sent": 1, "time_wait": 1,
				"rx_queued_bytes": 258, "tx_queued_bytes": 37,
			},
		},
	} {
		s := newSources(fixture(t))
		s.network = ownNetwork
		g := newTestGroup(t, s, []area{tcpstatArea})
		k := &fakeKernel{answers: test.answers}
		k.serve(t, g.s.sockets[0])
		got := make(map[string]float64)
		if f := parse(t, collectortest.Text(t, g))["node_tcp_connection_states"]; f != nil {
			for key, v := range f.Series {
				_, state, _ := strings.Cut(key, `"`)
				got[strings.TrimSuffix(state, `"}`)] = v
			}
		}
		if diff := gocmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
