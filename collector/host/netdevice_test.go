package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector/collectortest"
)

// TestDevicesChange lets devices come, change and go between collections.
func TestDevicesChange(t *testing.T) {
	o := fixture(t)
	mac := func(last byte) []byte { return attr(unix.IFLA_ADDRESS, 2, 0, 0, 0, 0, last) }
	list := func(devices ...[]byte) [][]byte { return append(devices, listEnd(0)) }
	const assigned = `node_network_address_assign_type{device="eth0"} `
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	steps := []struct {
		name   string
		list   [][]byte
		file   string // what addr_assign_type of eth0 holds by now
		after  time.Duration
		want   []string
		absent []string
	}{
		{
			"first", list(newLink(2, "eth0", mac(1)), newLink(3, "gone", mac(2))), "0", 0,
			[]string{
				assigned + "0", `node_network_speed_bytes{device="eth0"} 1.25e+08`, `node_network_iface_id{device="gone"} 3`,
				`node_network_info{address="02:00:00:00:00:02",adminstate="unknown",broadcast="",device="gone",duplex="",ifalias="",operstate=""} 1`,
			},
			[]string{`speed_bytes{device="gone"}`},
		},
		{"kept", list(newLink(2, "eth0", mac(1))), "3", time.Second, []string{assigned + "0"}, []string{`device="gone"`}},
		{"another address", list(newLink(2, "eth0", mac(9))), "3", time.Second, []string{assigned + "3"}, nil},
		{"a minute later", list(newLink(2, "eth0", mac(9))), "1", lookAgain, []string{assigned + "1"}, nil},
		{"another name", list(newLink(2, "eth1", mac(9))), "2", time.Second, []string{`node_network_device_id{device="eth1"} 32`}, []string{`device="eth0"`}},
		{"the clock went back", list(newLink(2, "eth0", mac(9)), newLink(5, "eth1")), "7", -time.Hour, []string{assigned + "7"}, nil},
	}
	k := new(fakeKernel)
	for _, step := range steps {
		k.answers = append(k.answers, step.list)
	}
	g := networkGroup(t, o, k, netclassArea, netdevArea)
	g.s.now = func() time.Time { return now }
	for i, step := range steps {
		now = now.Add(step.after)
		if err := os.WriteFile(filepath.Join(o.SysFS, "class/net/eth0/addr_assign_type"), []byte(step.file), 0o644); err != nil {
			t.Fatal(err)
		}
		text := collectortest.Text(t, g)
		for _, want := range step.want {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("%s: no %s in\n%s", step.name, want, text)
			}
		}
		for _, absent := range step.absent {
			if strings.Contains(text, absent) {
				t.Errorf("%s: has %s", step.name, absent)
			}
		}
		if devices := len(step.list) - 1; len(g.s.links.byIndex) != devices {
			t.Errorf("step %d: %d devices remembered, want %d", i, len(g.s.links.byIndex), devices)
		}
	}
}

// TestOddDevices reads names and values as no test machine has them.
func TestOddDevices(t *testing.T) {
	o := fixture(t)
	o.InvalidSpeed = false
	flags := filepath.Join(o.SysFS, "class/net/a.b%c/flags")
	if err := os.MkdirAll(filepath.Dir(flags), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(flags, []byte("0x1203\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	k := &fakeKernel{answers: [][][]byte{{
		newLink(7, "a.b%c",
			attr(unix.IFLA_OPERSTATE, 99), attr(unix.IFLA_CARRIER), attr32(unix.IFLA_GROUP, 1<<32-1), attr32(unix.IFLA_TXQLEN, 1<<31),
			attr(unix.IFLA_STATS64, 1, 2, 3), attr(unix.IFLA_IFALIAS, []byte(" \xff\"\\\n")...), attr32(unix.IFLA_LINK, 0),
			attr32(unix.IFLA_PROMISCUITY, 1)), // and no IFLA_ALLMULTI: an old kernel, so flags are read
		newLink(8, ""),
		newLink(9, "eth1", attr(unix.IFLA_ADDRESS, 10, 0, 0, 1), attr(unix.IFLA_STATS64, make([]byte, 8*statRxNohandler)...)),
		listEnd(0),
	}}}
	text := collectortest.Text(t, networkGroup(t, o, k, netclassArea, netdevArea))
	for _, want := range []string{
		`node_network_info{address="",adminstate="up",broadcast="",device="a.b%c",duplex="",ifalias="` + "\uFFFD" + `\"\\",operstate=""} 1`,
		`node_network_info{address="0a:00:00:01",adminstate="up",broadcast="",device="eth1",duplex="unknown",ifalias="",operstate=""} 1`,
		`node_network_net_dev_group{device="a.b%c"} -1`,
		`node_network_transmit_queue_length{device="a.b%c"} -2.147483648e+09`,
		`node_network_iface_link{device="a.b%c"} 0`,
		`node_network_iface_link{device="eth1"} 9`,
		`node_network_flags{device="a.b%c"} 4611`,
		`node_network_up{device="a.b%c"} 0`,
		`node_network_transmit_compressed_total{device="eth1"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	for _, absent := range []string{`carrier{device="a.b%c"}`, `device=""`, "speed_bytes", `bytes_total{device="a.b%c"}`, "nohandler"} {
		if strings.Contains(text, absent) {
			t.Errorf("has %s", absent)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestDeviceFiles lets devices change and go that are read from files alone.
func TestDeviceFiles(t *testing.T) {
	o := fixture(t)
	dir := filepath.Join(o.SysFS, "class/net")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	replaced := 0
	replace := func() { // by another device of the same name
		copied := filepath.Join(dir, "copy")
		if err := os.CopyFS(copied, os.DirFS(filepath.Join(dir, "eth0"))); err != nil {
			t.Fatal(err)
		}
		replaced++
		if err := os.Rename(filepath.Join(dir, "eth0"), fmt.Sprintf("%s.old%d", dir, replaced)); err != nil { // keeps its inode
			t.Fatal(err)
		}
		if err := os.Rename(copied, filepath.Join(dir, "eth0")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "gone"), 0o755); err != nil { // while it is read
		t.Fatal(err)
	}
	s := newSources(o)
	s.now = func() time.Time { return now }
	g := newTestGroup(t, s, []area{netclassArea})
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"first", func() {}, []string{"type 1", "mtu_bytes 1500"}},
		{"kept", func() { write("eth0/type", "24"); write("eth0/mtu", "9000") }, []string{"type 1", "mtu_bytes 9000"}},
		{"another device", replace, []string{"type 24", "mtu_bytes 9000"}},
		{"a minute later", func() { write("eth0/type", "32"); now = now.Add(lookAgain) }, []string{"type 32"}},
	} {
		step.do()
		text := strings.ReplaceAll(collectortest.Text(t, g), `{device="eth0"}`, "")
		for _, want := range step.want {
			if !strings.Contains(text, "_"+want+"\n") {
				t.Errorf("%s: no %s", step.name, want)
			}
		}
		if strings.Contains(text, `device="gone"`) || strings.Contains(text, "bonding_masters") {
			t.Errorf("%s: has what is no device:\n%s", step.name, text)
		}
	}
}

// TestLinkSettings asks drivers, some of which do not answer the first time, others never.
func TestLinkSettings(t *testing.T) {
	o := fixture(t)
	up := func(index int32, name string, carrier byte, changes uint32) []byte {
		return newLink(index, name, attr(unix.IFLA_CARRIER, carrier), attr32(unix.IFLA_CARRIER_CHANGES, changes))
	}
	list := [][]byte{up(1, "eth0", 1, 1), up(2, "bond0", 1, 1), up(3, "eth0.5", 1, 1), up(4, "eth1", 0, 1), listEnd(0)}
	flapped := [][]byte{up(1, "eth0", 1, 1), up(2, "bond0", 1, 2), up(3, "eth0.5", 1, 1), up(4, "eth1", 0, 1), listEnd(0)}
	k := &fakeKernel{answers: [][][]byte{list, list, flapped, flapped}}
	g := networkGroup(t, o, k, netclassArea)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	g.s.now = func() time.Time { return now }
	var asked []string
	g.s.links.ask = func(device string) (int64, string, error) {
		asked = append(asked, device)
		switch device {
		case "eth0":
			return 2500, "half", nil
		case "bond0":
			return 0, "", unix.EOPNOTSUPP
		}
		return 0, "", unix.EIO // so that sysfs is read
	}
	for step, want := range []string{"eth0 bond0 eth0.5", "eth0 eth0.5", "eth0 bond0 eth0.5", "eth0 bond0 eth0.5"} {
		asked = nil
		if step == 3 {
			now = now.Add(lookAgain)
		}
		text := collectortest.Text(t, g)
		if strings.Join(asked, " ") != want {
			t.Errorf("step %d: asked for %v, want %s", step, asked, want)
		}
		speeds := map[string]float64{
			`node_network_speed_bytes{device="eth0"}`: 2500 * megabit, `node_network_speed_bytes{device="eth0.5"}`: 1000 * megabit,
			`node_network_speed_bytes{device="eth1"}`: -megabit, // there is no link to ask for
		}
		if diff := gocmp.Diff(speeds, parse(t, text)["node_network_speed_bytes"].Series); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", step, diff)
		}
		for device, duplex := range map[string]string{"eth0": "half", "bond0": "", "eth0.5": "full", "eth1": "unknown"} {
			if !strings.Contains(text, `device="`+device+`",duplex="`+duplex+`"`) {
				t.Errorf("step %d: duplex of %s is not %q", step, device, duplex)
			}
		}
	}
}

// TestAskDriver asks the drivers of this host.
func TestAskDriver(t *testing.T) {
	n := &netlink{protocol: unix.NETLINK_ROUTE}
	if err := n.open(); err != nil {
		t.Fatal(err)
	}
	defer n.close()
	e := new(ethtool)
	for device, want := range map[string]error{"lo": unix.EOPNOTSUPP, "no such device": unix.ENODEV, "a name that is too long": unix.ENAMETOOLONG} {
		if _, _, err := e.get(n.f.Fd(), device); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", device, err, want)
		}
	}
}
