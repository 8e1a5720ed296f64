package host

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

// unpack writes the files of an archive below a folder, and returns those that are not to be written.
func unpack(t testing.TB, name, dir string, kept string) []txtar.File {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var files []txtar.File
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, kept) {
			files = append(files, f)
			continue
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// recorded returns a recorded answer of the kernel, and options over the files that go with it.
func recorded(t testing.TB) (datagrams [][]byte, o Options) {
	t.Helper()
	dir := hosttest.Dir(t)
	for _, f := range unpack(t, "testdata/links.txtar", dir, "netlink/") {
		b, err := hex.DecodeString(strings.Join(strings.Fields(string(f.Data)), ""))
		if err != nil {
			t.Fatal(err)
		}
		datagrams = append(datagrams, b)
	}
	o = Defaults()
	o.ProcFS, o.SysFS = filepath.Join(dir, "proc"), filepath.Join(dir, "sys")
	return datagrams, o
}

// TestRecordedDevices holds what netlink says against files that the same kernel showed.
func TestRecordedDevices(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return // recorded on a little endian machine
	}
	datagrams, o := recorded(t)
	k := &fakeKernel{answers: [][][]byte{datagrams}}
	got := collectortest.Text(t, networkGroup(t, o, k, netdevArea, netclassArea))
	want := collectortest.Text(t, networkGroup(t, o, nil, netdevArea, netclassArea))
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-files +netlink):\n%s", diff)
	}
	for _, sample := range []string{
		`node_network_flags{device="v0"} 4866`, // a port of a bridge gets all packets, which ifi_flags do not say
		`node_network_flags{device="v1"} 4867`,
		`node_network_iface_link{device="far"} 8`,
		`node_network_receive_drop_total{device="f0"} 2`,
		`node_network_speed_bytes{device="v1"} 1.25e+09`,
		`node_network_net_dev_group{device="br.0"} 77`,
		`node_network_name_assign_type{device="renamed"} 4`,
	} {
		if !strings.Contains(got, sample+"\n") {
			t.Errorf("no %s", sample)
		}
	}
	if n := k.stop(); n != 1 {
		t.Errorf("%d requests for two areas", n)
	}
}

// TestDevicesOfThisHost holds netlink against the files of the machine that the test runs on.
func TestDevicesOfThisHost(t *testing.T) {
	overNetlink := newTestGroup(t, newSources(Defaults()), []area{netdevArea, netclassArea})
	overFiles := newTestGroup(t, newSources(Defaults()), []area{netdevArea, netclassArea})
	overFiles.s.links.conn = nil
	scrape := func(g *Group, part string) string {
		text, success := collectortest.Scrape(t, g, part)
		if !success[part] {
			t.Fatalf("part %s failed", part)
		}
		return text
	}
	const tries = 100 // devices come and go
	for try := 1; ; try++ {
		before, got, after := scrape(overFiles, "netclass"), scrape(overNetlink, "netclass"), scrape(overFiles, "netclass")
		if diff := gocmp.Diff(before, got); diff == "" {
			break
		} else if before == after || try == tries {
			t.Fatalf("(-sysfs +netlink):\n%s", diff)
		}
	}
	for try := 1; ; try++ {
		before := parse(t, scrape(overFiles, "netdev"))
		got := parse(t, scrape(overNetlink, "netdev"))
		wrong := between(before, got, parse(t, scrape(overFiles, "netdev")))
		if len(wrong) == 0 {
			break
		} else if try == tries {
			t.Fatal(wrong)
		}
	}
	if !overNetlink.s.links.ok {
		t.Error("netlink was not used")
	}
}

// TestNetDevSums holds the sums of counters against the format of /proc/net/dev.
func TestNetDevSums(t *testing.T) {
	var stats []byte
	for i := range linkStatsFields {
		stats = binary.NativeEndian.AppendUint64(stats, 1<<i)
	}
	k := &fakeKernel{answers: [][][]byte{{newLink(1, "e", attr(unix.IFLA_STATS64, stats...)), listEnd(0)}}}
	got := parse(t, collectortest.Text(t, networkGroup(t, fixture(t), k, netdevArea)))
	for name, bits := range map[string][]int{
		"receive_bytes":       {2},
		"receive_packets":     {0},
		"receive_errs":        {4},
		"receive_drop":        {6, 15},
		"receive_fifo":        {14},
		"receive_frame":       {10, 11, 12, 13},
		"receive_compressed":  {21},
		"receive_multicast":   {8},
		"transmit_bytes":      {3},
		"transmit_packets":    {1},
		"transmit_errs":       {5},
		"transmit_drop":       {7},
		"transmit_fifo":       {18},
		"transmit_colls":      {9},
		"transmit_carrier":    {16, 17, 19, 20},
		"transmit_compressed": {22},
		"receive_nohandler":   {23},
	} {
		want := 0.
		for _, bit := range bits {
			want += float64(uint64(1) << bit)
		}
		name = "node_network_" + name + "_total"
		if f := got[name]; f == nil || f.Series[name+`{device="e"}`] != want {
			t.Errorf("%s: %v, want %v", name, f, want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("also %v", slices.Collect(maps.Keys(got)))
	}
}

func BenchmarkNetwork(b *testing.B) {
	benchmark(b, newTestGroup(b, newSources(Defaults()), networkAreas()))
}

// BenchmarkNetworkFiles reads all from files, as for a host whose network is another than this process's.
func BenchmarkNetworkFiles(b *testing.B) {
	g := newTestGroup(b, newSources(Defaults()), networkAreas())
	g.s.links.conn = nil
	benchmark(b, g)
}

// TestSocketsAreKept scrapes this host again and again.
func TestSocketsAreKept(t *testing.T) {
	before := descriptors(t)
	g := newTestGroup(t, newSources(Defaults()), networkAreas())
	scraper := collectortest.NewScraper(t, g)
	scraper.Scrape(collectortest.Timeout)
	kept, socket := descriptors(t), g.s.links.conn.f
	for range 100 {
		scraper.Scrape(collectortest.Timeout)
	}
	if n := descriptors(t); n > kept || socket != g.s.links.conn.f {
		t.Errorf("%d descriptors, %d after the first scrape", n, kept)
	}
	g.Close()
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors after Close, %d at first", n, before)
	}
	if o := scraper.Scrape(collectortest.Timeout); !o.Success["netclass"] || !g.s.links.ok {
		t.Errorf("after Close: %v", o.Success)
	}
}
