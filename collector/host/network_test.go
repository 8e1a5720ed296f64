package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector/collectortest"
)

func TestNetwork(t *testing.T) {
	dir := t.TempDir()
	elsewhere := Defaults()
	elsewhere.ProcFS = filepath.Join(dir, "proc")
	if err := os.Symlink("/proc", elsewhere.ProcFS); err != nil {
		t.Fatal(err)
	}
	sys := Defaults()
	sys.SysFS = "/elsewhere/sys"
	for name, test := range map[string]struct {
		o    Options
		want network
	}{
		"this host": {Defaults(), ownNetwork}, "procfs mounted elsewhere": {elsewhere, ownNetwork}, "only sysfs elsewhere": {sys, unknownNetwork},
		"files": {fixture(t), unknownNetwork},
	} {
		if got := test.o.network(); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}

	onThread(func() {
		if err := unix.Unshare(unix.CLONE_NEWNET); errors.Is(err, unix.EPERM) {
			t.Log("not allowed to look from another network namespace")
		} else if err != nil {
			t.Error(err)
		} else if got := elsewhere.network(); got != foreignNetwork {
			t.Errorf("from another network namespace: %d", got)
		}
	})
}

// onThread runs fn on a thread that ends with it, and that is not the first, which gives the process its /proc/self.
func onThread(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onThread(fn)
			runtime.UnlockOSThread()
			return
		}
		fn()
	}()
	<-done
}

// TestForeignConntrack: below /proc/sys a process sees its own network only.
func TestForeignConntrack(t *testing.T) {
	o := fixture(t)
	if err := os.WriteFile(filepath.Join(o.ProcFS, "sys/net/netfilter/nf_conntrack_count"), []byte("5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for network, want := range map[network]string{ownNetwork: "5", unknownNetwork: "5", foreignNetwork: "28"} {
		s := newSources(o)
		s.network = network
		text := collectortest.Text(t, newTestGroup(t, s, []area{conntrackArea}))
		if !strings.Contains(text, "node_nf_conntrack_entries "+want+"\n") {
			t.Errorf("%d: not %s in\n%s", network, want, text)
		}
	}
}

// TestNetstatFields asks for other counters than the default, some of which no release of ours knows.
func TestNetstatFields(t *testing.T) {
	o := fixture(t)
	o.NetstatFields = "^(Tcp_MaxConn|Made_Up|Icmp6_InType136)$"
	names := filepath.Join(o.ProcFS, "net/snmp")
	g := newTestGroup(t, newSources(o), []area{netstatArea})
	for i, step := range []struct {
		file string
		want []string
	}{
		{"Tcp: MaxConn InSegs\nTcp: -1 5\n", []string{"node_netstat_Tcp_MaxConn -1\n"}},
		{"Tcp: MaxConn InSegs\nTcp: 7 5\n", []string{"node_netstat_Tcp_MaxConn 7\n"}},
		{"Made: No Up\nMade: 1 2\nTcp: InSegs MaxConn\nTcp: 5 8\n", []string{"node_netstat_Made_Up 2\n", "node_netstat_Tcp_MaxConn 8\n"}},
		{"Tcp: MaxConn\nTcp: 9\n", []string{"node_netstat_Tcp_MaxConn 9\n"}},
	} {
		if err := os.WriteFile(names, []byte(step.file), 0o644); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(collectortest.Text(t, g)) {
			if !strings.HasPrefix(line, "#") {
				got = append(got, line)
			}
		}
		if diff := gocmp.Diff(append(step.want, "node_netstat_Icmp6_InType136 12\n"), got, cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
	o.NetstatFields = "("
	if _, err := New(o); err == nil {
		t.Error("a broken expression was accepted")
	}
}

func TestWithoutIPv6(t *testing.T) {
	o := fixture(t)
	for _, name := range []string{"snmp6", "sockstat6", "udp6", "tcp6"} {
		if err := os.Remove(filepath.Join(o.ProcFS, "net", name)); err != nil {
			t.Fatal(err)
		}
	}
	text, success := collectortest.Scrape(t, newTestGroup(t, newSources(o), []area{netstatArea, sockstatArea, udpQueuesArea, tcpstatArea}))
	for part, ok := range success {
		if !ok {
			t.Errorf("%s failed", part)
		}
	}
	if strings.Contains(text, `ip="v6"`) || !strings.Contains(text, `ip="v4"`) {
		t.Errorf("queues:\n%s", text)
	}
}

// TestBondGoes lets parts of bonding devices go while they are read.
func TestBondGoes(t *testing.T) {
	o := fixture(t)
	bond := filepath.Join(o.SysFS, "class/net/bond0")
	if err := os.WriteFile(filepath.Join(bond, "bonding/slaves"), []byte("eth0 gone eth1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g := newTestGroup(t, newSources(o), []area{bondingArea})
	if text, success := collectortest.Scrape(t, g); !success["bonding"] || !strings.Contains(text, `slaves{master="bond0"} 2`) {
		t.Errorf("success %v:\n%s", success, text)
	}
	if err := os.RemoveAll(bond); err != nil {
		t.Fatal(err)
	}
	if text, success := collectortest.Scrape(t, g); !success["bonding"] || text != "" {
		t.Errorf("success %v:\n%s", success, text)
	}
}

func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f := file{path: path}
	var buf []byte
	for i, content := range []string{
		"", "\n", "one", "one\n", "one\ntwo\n\nfour", strings.Repeat("0123456789abcde\n", 5000), strings.Repeat("x", 20000) + "\ny",
	} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		var got []string
		var err error
		buf, err = f.lines(buf, func(line []byte) error {
			got = append(got, string(line))
			return nil
		})
		want := strings.Split(content, "\n")
		if want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("content %d: %d lines and %v, want %d", i, len(got), err, len(want))
		}
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := unix.Dup3(int(dir.Fd()), f.fd, unix.O_CLOEXEC); err != nil { // what was there cannot be read any more
		t.Fatal(err)
	}
	n := 0
	if _, err := f.lines(buf, func([]byte) error { n++; return nil }); err != nil || n != 2 {
		t.Errorf("after its descriptor went bad: %d lines and %v", n, err)
	}
	broken := errors.New("broken")
	if _, err := f.lines(buf, func([]byte) error { return broken }); !errors.Is(err, broken) || !strings.Contains(err.Error(), path) {
		t.Errorf("error of a line: %v", err)
	}
	f.close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.lines(buf, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestParseNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-1": "-1", "9223372036854775807": "9223372036854775807", "-9223372036854775808": "-9223372036854775808",
		"9223372036854775808": "", "-9223372036854775809": "", "-": "", "": "", "+1": "", "1x": "",
	} {
		n, err := parseInt([]byte(text))
		if got := strconv.FormatInt(n, 10); err == nil && got != want || err != nil && want != "" {
			t.Errorf("parseInt(%q): %s, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"0": "0", "fF": "255", "ffffffffffffffff": "18446744073709551615", "10000000000000000": "", "": "", "g": "", "0x1": "",
	} {
		n, err := parseHex([]byte(text))
		if got := strconv.FormatUint(n, 10); err == nil && got != want || err != nil && want != "" {
			t.Errorf("parseHex(%q): %s, %v", text, got, err)
		}
	}
}
