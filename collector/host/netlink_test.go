package host

import (
	"cmp"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector/collectortest"
)

// fakeKernel answers at the other end of a netlink socket: each request with the next of its answers, which are lists
// of datagrams. Messages with the number 1 get that of the request. Without an answer it is silent.
type fakeKernel struct {
	answers [][][]byte
	always  [][]byte      // after the last of answers
	silence time.Duration // for which it is waited, a long time if 0

	mu       sync.Mutex // of answers
	requests int
	stopped  chan struct{}
	socket   *os.File
}

// set sets what is answered from now on.
func (k *fakeKernel) set(answer [][]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.always = answer
}

func (k *fakeKernel) next() [][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.answers) == 0 {
		return k.always
	}
	answer := k.answers[0]
	k.answers = k.answers[1:]
	return answer
}

// serve puts k in place of the kernel.
func (k *fakeKernel) serve(t *testing.T, n *netlink) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	timeout := unix.NsecToTimeval(int64(cmp.Or(k.silence, collectortest.Timeout)))
	if err := unix.SetsockoptTimeval(fds[0], unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		t.Fatal(err)
	}
	n.close()
	k.socket, k.stopped = os.NewFile(uintptr(fds[0]), "netlink"), make(chan struct{})
	n.attach(k.socket)
	go func() {
		defer close(k.stopped)
		end := os.NewFile(uintptr(fds[1]), "kernel")
		defer end.Close()
		request := make([]byte, netlinkBuffer)
		for {
			size, err := end.Read(request)
			if err != nil {
				return
			}
			k.requests++
			for _, datagram := range k.next() {
				if _, err := end.Write(withNumber(datagram, request[8:min(size, 12)])); err != nil {
					return
				}
			}
		}
	}()
	t.Cleanup(func() { k.stop() })
}

// stop ends it and returns how many requests there were.
func (k *fakeKernel) stop() int {
	k.socket.Close()
	<-k.stopped
	return k.requests
}

// withNumber returns the datagram with messages that have the number 1 answering the request seq.
func withNumber(datagram, seq []byte) []byte {
	b := slices.Clone(datagram)
	for at := 0; at+unix.SizeofNlMsghdr <= len(b); {
		if binary.NativeEndian.Uint32(b[at+8:]) == 1 {
			copy(b[at+8:], seq)
		}
		size := int(binary.NativeEndian.Uint32(b[at:]))
		if size < unix.SizeofNlMsghdr {
			break
		}
		at += alignNetlink(size)
	}
	return b
}

func message(typ, flags uint16, body []byte) []byte { return appendNetlink(nil, typ, flags, 1, body) }

func listEnd(code int32) []byte {
	return message(unix.NLMSG_DONE, unix.NLM_F_MULTI, binary.NativeEndian.AppendUint32(nil, uint32(code)))
}

func listError(code unix.Errno) []byte {
	return message(unix.NLMSG_ERROR, 0, binary.NativeEndian.AppendUint32(nil, uint32(-int32(code))))
}

// newLink is a message about a network device that is up.
func newLink(index int32, name string, attrs ...[]byte) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], unix.IFF_UP|unix.IFF_RUNNING|unix.IFF_LOWER_UP)
	b = appendNetlinkAttr(b, unix.IFLA_IFNAME, append([]byte(name), 0))
	return message(unix.RTM_NEWLINK, unix.NLM_F_MULTI, slices.Concat(append([][]byte{b}, attrs...)...))
}

func attr(typ uint16, value ...byte) []byte { return appendNetlinkAttr(nil, typ, value) }

func attr32(typ uint16, value uint32) []byte {
	return appendNetlinkAttr(nil, typ, binary.NativeEndian.AppendUint32(nil, value))
}

// networkGroup returns the areas over o with k in place of the kernel.
func networkGroup(t *testing.T, o Options, k *fakeKernel, areas ...area) *Group {
	t.Helper()
	s := newSources(o)
	g := newTestGroup(t, s, areas)
	if k != nil {
		k.serveLinks(t, s)
	}
	return g
}

// serveLinks makes s ask k for network devices.
func (k *fakeKernel) serveLinks(t *testing.T, s *sources) {
	t.Helper()
	s.links.conn = s.netlink(unix.NETLINK_ROUTE)
	s.links.body = make([]byte, unix.SizeofIfInfomsg)
	s.links.ask = nil // it would be answered for devices of this host
	k.serve(t, s.links.conn)
}

func TestNetlinkAnswers(t *testing.T) {
	lo := newLink(1, "netlink0")
	changed := slices.Clone(lo)
	binary.NativeEndian.PutUint16(changed[6:], unix.NLM_F_MULTI|unix.NLM_F_DUMP_INTR)
	stray := slices.Clone(newLink(9, "stray"))
	binary.NativeEndian.PutUint32(stray[8:], 77)
	good, interrupted := [][]byte{lo, listEnd(0)}, [][]byte{changed, listEnd(0)}
	for name, test := range map[string]struct {
		answers  [][][]byte
		ok       bool
		requests int
	}{
		"good":               {[][][]byte{good}, true, 1},
		"one datagram":       {[][][]byte{{slices.Concat(lo, listEnd(0))}}, true, 1},
		"of another request": {[][][]byte{{stray, slices.Concat(stray, lo), listEnd(0)}}, true, 1},
		"nothing to do":      {[][][]byte{{message(unix.NLMSG_NOOP, 0, nil), lo, listEnd(0)}}, true, 1},
		"changed once":       {[][][]byte{interrupted, good}, true, 2},
		"changes always":     {[][][]byte{interrupted, interrupted, interrupted}, true, 3},
		"changed at the end": {[][][]byte{{lo, message(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR, nil)}, good}, true, 2},
		"silence":            {nil, false, 1},
		"silence at the end": {[][][]byte{{lo}}, false, 1},
		"refused":            {[][][]byte{{listError(unix.EPERM)}}, false, 1},
		"failed later":       {[][][]byte{{lo, listEnd(-int32(unix.ENOMEM))}}, false, 1},
		"no list":            {[][][]byte{{listError(0)}}, false, 1},
		"overrun":            {[][][]byte{{message(unix.NLMSG_OVERRUN, 0, nil)}}, false, 1},
		"cut off":            {[][][]byte{{lo[:len(lo)-4]}}, false, 1},
		"half a header":      {[][][]byte{{lo[:7]}}, false, 1},
		"bad attribute":      {[][][]byte{{message(unix.RTM_NEWLINK, 0, append(make([]byte, unix.SizeofIfInfomsg), 200, 0, 3, 0))}}, false, 1},
		"no device":          {[][][]byte{{message(unix.RTM_NEWLINK, 0, nil)}}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			k := &fakeKernel{answers: test.answers}
			if strings.HasPrefix(name, "silence") {
				k.silence = 10 * time.Millisecond
			}
			g := networkGroup(t, fixture(t), k, netclassArea)
			text, success := collectortest.Scrape(t, g)
			if !success["netclass"] || g.s.links.ok != test.ok {
				t.Errorf("success %v, netlink %v", success, g.s.links.ok)
			}
			if test.ok != strings.Contains(text, `device="netlink0"`) || test.ok == strings.Contains(text, `device="eth0"`) {
				t.Errorf("netlink %v:\n%s", test.ok, text)
			}
			if strings.Contains(text, "stray") {
				t.Error("took the answer to another request")
			}
			if n := k.stop(); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
		})
	}
}

// TestNetlinkRests: what failed is not asked again for a minute.
func TestNetlinkRests(t *testing.T) {
	k := &fakeKernel{answers: [][][]byte{{listError(unix.EPERM)}}}
	g := networkGroup(t, fixture(t), k, netclassArea)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	g.s.now = func() time.Time { return now }
	scraper := collectortest.NewScraper(t, g)
	scraper.Scrape(collectortest.Timeout)
	again := &fakeKernel{answers: [][][]byte{{newLink(1, "netlink0"), listEnd(0)}}}
	again.serve(t, g.s.links.conn)
	now = now.Add(lookAgain - 1)
	scraper.Scrape(collectortest.Timeout)
	if g.s.links.ok {
		t.Error("asked again within the minute")
	}
	now = now.Add(1)
	if o := scraper.Scrape(collectortest.Timeout); !g.s.links.ok || o.Sample(`node_network_iface_id{device="netlink0"}`) != "1" {
		t.Errorf("not asked again after a minute:\n%+v", o)
	}
	if n := again.stop(); n != 1 {
		t.Errorf("%d requests", n)
	}
}
