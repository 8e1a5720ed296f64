package host

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

// counters returns what procfs read into a struct of protocols, by PROTOCOL_COUNTER.
func counters(protocols any) map[string]float64 {
	found := make(map[string]float64)
	v := reflect.ValueOf(protocols)
	for i := range v.NumField() {
		protocol := v.Field(i)
		if protocol.Kind() != reflect.Struct {
			continue // the process
		}
		for j := range protocol.NumField() {
			if n, ok := reflect.TypeAssert[*float64](protocol.Field(j)); ok && n != nil {
				found[v.Type().Field(i).Name+"_"+protocol.Type().Field(j).Name] = *n
			}
		}
	}
	return found
}

// everything makes a family of each key.
func everything() func(key []byte) *collector.Family {
	n := newNamed(nil)
	return func(key []byte) *collector.Family {
		return n.get(key, func(key string) *collector.Family { return &collector.Family{Name: key} })
	}
}

func checkCounters(t *testing.T, ours, theirs map[string]float64) {
	t.Helper()
	for key, want := range theirs {
		if got, ok := ours[key]; (!ok || got != want) && math.Abs(want) < 1<<53 {
			t.Errorf("%s: %v, procfs has %v", key, got, want)
		}
	}
}

func FuzzNetstat(f *testing.F) {
	seed(f, "net/netstat")
	seed(f, "net/snmp")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours := make(map[string]float64)
		p := netstatParser{family: everything()}
		for range 2 { // the second time with the names known
			clear(ours)
			if p.parse(data, func(f *collector.Family, v float64) { ours[f.Name] = v }) != nil || !plain(data) {
				return
			}
		}
		fs, dir := oracle(t, "1/net/netstat", data)
		if err := os.WriteFile(filepath.Join(dir, "1/net/snmp"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		proc, err := fs.Proc(1)
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := proc.Netstat(); err == nil {
			checkCounters(t, ours, counters(theirs))
		}
		if theirs, err := proc.Snmp(); err == nil {
			checkCounters(t, ours, counters(theirs))
		}
	})
}

func FuzzSNMP6(f *testing.F) {
	seed(f, "net/snmp6")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours := make(map[string]float64)
		err := parseSNMP6(data, everything(), func(f *collector.Family, v float64) {
			if protocol, name, ok := strings.Cut(f.Name, "6"); ok {
				ours[protocol+"6_"+name] = v
			}
		})
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "1/net/snmp6", data)
		proc, err := fs.Proc(1)
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := proc.Snmp6(); err == nil {
			checkCounters(t, ours, counters(theirs))
		}
	})
}

func FuzzSockstat(f *testing.F) {
	seed(f, "net/sockstat")
	seed(f, "net/sockstat6")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours := make(map[string]int64)
		err := parseSockstat(data, func(protocol, word []byte, v int64) { ours[string(protocol)+"_"+string(word)] = v })
		if err != nil || !plain(data) || octalNumber(data) {
			return
		}
		fs, _ := oracle(t, "net/sockstat", data)
		theirs, err := fs.NetSockstat()
		if err != nil {
			return
		}
		check := func(key string, want *int) {
			if got, ok := ours[key]; want != nil && got != int64(*want) && (ok || *want != 0) {
				t.Errorf("%s: %v, procfs has %v", key, got, *want)
			}
		}
		check("sockets_used", theirs.Used)
		last := make(map[string]procfs.NetSockstatProtocol) // a repeated one counts, as ours does
		for _, p := range theirs.Protocols {
			last[p.Protocol] = p
		}
		if len(last) < len(theirs.Protocols) {
			return
		}
		for name, p := range last {
			check(name+"_inuse", &p.InUse)
			check(name+"_orphan", p.Orphan)
			check(name+"_tw", p.TW)
			check(name+"_alloc", p.Alloc)
			check(name+"_mem", p.Mem)
			check(name+"_memory", p.Memory)
		}
	})
}

func FuzzSoftnet(f *testing.F) {
	seed(f, "net/softnet_stat")
	f.Add([]byte("00000001 00000002 00000003 00000000 00000000 00000000 00000000 00000000 00000004\n"))
	f.Add([]byte("1 2 3 0 0 0 0 0 4 5 6 7\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours []procfs.SoftnetStat
		err := parseSoftnet(data, func(cpu uint64, v *[softnetFields]uint64) {
			n := func(i int) uint32 { return uint32(v[softnetColumns[i]]) }
			ours = append(ours, procfs.SoftnetStat{
				Processed: n(0), Dropped: n(1), TimeSqueezed: n(2), CPUCollision: n(3), ReceivedRps: n(4), FlowLimitCount: n(5),
				SoftnetBacklogLen: n(6), Index: uint32(cpu),
			})
		})
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "net/softnet_stat", data)
		theirs, err := fs.NetSoftnetStat()
		if err != nil {
			return
		}
		for i := range theirs {
			theirs[i].Width = 0
		}
		if diff := gocmp.Diff(theirs, ours); diff != "" {
			t.Errorf("(-procfs +ours):\n%s", diff)
		}
	})
}

func FuzzInetSockets(f *testing.F) {
	for _, name := range []string{"net/udp", "net/udp6", "net/tcp", "net/tcp6"} {
		seed(f, name)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fs, dir := oracle(t, "net/udp", data)
		var tx, rx, sockets uint64
		s := newSources(Options{})
		file := s.keep(filepath.Join(dir, "net/udp"))
		err := s.inetSockets(file, func(s inetSocket) {
			tx += s.tx
			rx += s.rx
			sockets++
		})
		file.close()
		if err != nil || !plain(data) {
			return
		}
		for line := range bytes.Lines(data) {
			if n := len(bytes.Fields(line)); n >= 10 && n < 13 {
				return // as in tcp, where procfs would panic
			}
		}
		theirs, err := fs.NetUDPSummary()
		if err != nil {
			return
		}
		if theirs.TxQueueLength != tx || theirs.RxQueueLength != rx || theirs.UsedSockets != sockets {
			t.Errorf("%d, %d bytes of %d sockets, procfs has %+v", tx, rx, sockets, theirs)
		}
	})
}

func FuzzARP(f *testing.F) {
	seed(f, "net/arp")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours := make(map[string]int)
		_, rest := cutLine(data)
		for len(rest) > 0 {
			var line []byte
			line, rest = cutLine(rest)
			if parseARP(line, func(device []byte) { ours[string(device)]++ }) != nil {
				return
			}
		}
		fs, _ := oracle(t, "net/arp", data)
		theirs, err := fs.GatherARPEntries()
		if headings, _ := cutLine(data); err != nil || !plain(data) || len(bytes.Fields(headings)) != 9 || oddEntries(data) {
			return
		}
		want := make(map[string]int)
		for _, e := range theirs {
			if e.Flags&procfs.ATFPublish == 0 {
				want[e.Device]++
			}
		}
		if diff := gocmp.Diff(want, ours); diff != "" {
			t.Errorf("(-procfs +ours):\n%s", diff)
		}
	})
}

// oddEntries reports lines that procfs leaves out or reads otherwise, and that the kernel does not write.
func oddEntries(data []byte) bool {
	_, rest := cutLine(data)
	for line := range bytes.Lines(rest) {
		if fields := bytes.Fields(line); len(fields) != 0 && (len(fields) != 6 || !bytes.HasPrefix(fields[2], []byte("0x"))) {
			return true
		}
	}
	return false
}

func FuzzConntrack(f *testing.F) {
	seed(f, "net/stat/nf_conntrack")
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, err := parseConntrack(data)
		if err != nil || !plain(data) {
			return
		}
		fs, _ := oracle(t, "net/stat/nf_conntrack", data)
		theirs, err := fs.ConntrackStat()
		if err != nil {
			return
		}
		var want [conntrackFields]uint64
		for _, e := range theirs {
			for i, v := range []uint64{
				e.Entries, e.Searched, e.Found, e.New, e.Invalid, e.Ignore, e.Delete, e.DeleteList, e.Insert, e.InsertFailed, e.Drop, e.EarlyDrop,
			} {
				want[i] += v
			}
			want[0] = e.Entries
			want[16] += e.SearchRestart
		}
		for i, v := range want {
			if i < 12 || i == 16 {
				if ours[i] != v {
					t.Errorf("column %d: %d, procfs has %d", i, ours[i], v)
				}
			}
		}
	})
}

// FuzzLink reads a datagram as the kernel's answer. It must hold together whatever it is; recorded answers have their
// devices.
func FuzzLink(f *testing.F) {
	datagrams, _ := recorded(f)
	for _, d := range datagrams {
		f.Add(d)
	}
	f.Add(newLink(7, "x", attr32(unix.IFLA_MTU, 1500), attr(unix.IFLA_STATS64, make([]byte, 8*linkStatsFields+3)...)))
	f.Fuzz(func(t *testing.T, data []byte) {
		kept := slices.Clone(data)
		ls := linkSource{byIndex: make(map[int32]*link)}
		for range 2 {
			ls.begin()
			items := 0
			_, err := parseNetlink(data, 1, func(item []byte) error {
				items++
				return ls.add(item)
			})
			if err == nil && len(ls.list) > items {
				t.Errorf("%d devices of %d messages", len(ls.list), items)
			}
			for _, l := range ls.list {
				if l.name == "" || strings.Contains(l.name, "\x00") || !l.known[netIfIndex] || l.nstats > linkStatsFields {
					t.Errorf("a device like %+v", l)
				}
				if len(l.address) > 0 && len(l.address) != 3*len(l.hardware)-1 {
					t.Errorf("%d bytes of address became %q", len(l.hardware), l.address)
				}
			}
		}
		if !bytes.Equal(kept, data) {
			t.Error("changed the datagram")
		}
	})
}

func FuzzDiag(f *testing.F) {
	f.Add(make([]byte, diagMessageSize))
	f.Fuzz(func(t *testing.T, data []byte) {
		var counts tcpCounts
		socket, err := parseDiag(data)
		if (err == nil) != (len(data) >= diagMessageSize) {
			t.Errorf("%d bytes: %v", len(data), err)
		}
		if err == nil {
			counts.add(socket)
			if counts.all != 1 || socket.rx != uint64(binary.NativeEndian.Uint32(data[56:])) {
				t.Errorf("%+v", socket)
			}
		}
	})
}
