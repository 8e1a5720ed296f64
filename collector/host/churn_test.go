package host

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
	"github.com/chronoops/chronoops/collector/host/hosttest"
)

// churn is a host on which everything that can come and go is replaced again and again.
type churn struct {
	t    *testing.T
	k    *kernelFixture
	hw   *machine
	link *fakeKernel
	fs   *Filesystem
	text string // folder of textfiles
	bus  *fakeBus
	unit *fakeSystemd

	round int
	all   []collector.Collector
}

func newChurn(t *testing.T) *churn {
	c := &churn{t: t, link: &fakeKernel{}, bus: newFakeBus(t), unit: newFakeSystemd(), text: hosttest.Dir(t)}
	c.k = newKernelFixture(t, nil, netdevArea, netclassArea, arpArea, diskArea, interruptsArea, cpuArea, cpufreqArea, mdadmArea, meminfoNumaArea, xfsArea)
	c.link.serveLinks(t, c.k.sources)
	c.hw = newMachine(t, Defaults(), "")
	c.fs = fixtureFilesystem(t)
	c.bus.answer = c.unit.answer
	o := Defaults()
	o.TextfileDirs = []string{c.text}
	c.all = []collector.Collector{c.k.g, c.hw.g, c.fs, NewTextfile(o), newTestSystemd(t, c.bus.root, nil)}
	return c
}

const (
	churnNames   = 25 // of everything at a time
	churnUnits   = 2
	churnSensors = 2 // whose files are more than one
)

// turn gives everything a new name.
func (c *churn) turn() {
	c.round++
	c.k.clock = c.k.clock.Add(15 * time.Second)
	c.hw.now = c.k.clock
	var links [][]byte
	var arp, disks, interrupts, mounts, arrays, hw strings.Builder
	arp.WriteString("headings\n")
	interrupts.WriteString("CPU0\n")
	for i := range churnNames {
		n := c.round*churnNames + i
		links = append(links, newLink(int32(n), fmt.Sprintf("veth%d", n), attr(unix.IFLA_STATS64, make([]byte, 8*linkStatsFields)...)))
		fmt.Fprintf(&arp, "10.0.0.1 0x1 0x2 00:00:00:00:00:01 * veth%d\n", n)
		fmt.Fprintf(&disks, "252 %d dm-%d 1 2 3 4 5 6 7 8 9 10 11\n", n, n)
		fmt.Fprintf(&interrupts, "%d: 7 PCI-MSI %d-edge queue%d\n", n, n, n)
		fmt.Fprintf(&mounts, "%d 1 0:%d / /run/pod%d rw - tmpfs tmpfs%d rw\n", n, n, n, n)
		fmt.Fprintf(&arrays, "md%d : active raid1 sda[0] sdb[1]\n      100 blocks [2/2] [UU]\n\n", n)
		if i >= churnSensors {
			continue
		}
		fmt.Fprintf(&hw, "class/thermal/thermal_zone%d/type kind%d\nclass/thermal/thermal_zone%d/temp 1000\n", n, n, n)
		fmt.Fprintf(&hw, "class/hwmon/hwmon%d/name chip%d\nclass/hwmon/hwmon%d/temp%d_input 1000\nclass/hwmon/hwmon%d/temp%d_max 1\n", n, n, n, n, n, n)
	}
	c.link.set(append(links, listEnd(0)))
	c.k.write("proc/net/arp", arp.String())
	c.k.write("proc/diskstats", disks.String())
	c.k.write("proc/interrupts", interrupts.String())
	c.k.write("proc/mdstat", arrays.String())
	c.k.write("sys/devices/system/cpu/online", fmt.Sprintf("0,%d\n", 1+c.round%10))
	c.replace(c.fs.tables[0].path, mounts.String())

	c.hw.remove("class")
	c.hw.write(hw.String())
	if err := os.Remove(filepath.Join(c.text, fmt.Sprintf("%d.prom", c.round-1))); err != nil && c.round > 1 {
		c.t.Fatal(err)
	}
	c.replace(filepath.Join(c.text, fmt.Sprintf("%d.prom", c.round)), fmt.Sprintf("churn_%d{label=\"%d\"} 1\n", c.round, c.round))
	c.bus.set(func() {
		c.bus.calls = nil
		c.unit.units, c.unit.values = nil, make(map[string]any)
		for i := range churnUnits {
			name := fmt.Sprintf("unit%d.service", c.round*churnUnits+i)
			c.unit.units = append(c.unit.units, listed(name, "loaded", "active"))
			c.unit.values[name+" Service.Type"] = "simple"
		}
	})
}

func (c *churn) replace(path, content string) {
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// TestChurn holds what is kept of ten thousand network devices, disks, mounts, sensors and the like to what is kept of
// the few that there are at a time.
func TestChurn(t *testing.T) {
	c := newChurn(t)
	set := newTestSet(t, c.all...)
	const warm, rounds = 100, 400
	c.check(c.turns(set, 1))
	fds, before := c.turnAndRest(set, warm)
	fdsNow, after := c.turnAndRest(set, rounds-warm)
	if fdsNow > fds {
		t.Errorf("%d descriptors, %d before", fdsNow, fds)
	}
	// A word for each name that there was would be more than that.
	if after > before+50<<10 {
		t.Errorf("%d bytes of heap after %d rounds, %d after %d", after, rounds, before, warm)
	}
	runtime.KeepAlive(set)
}

// check holds the snapshot of the first turn against what it is to show.
func (c *churn) check(snap *collector.Snapshot) {
	text := string(snap.AppendText(nil))
	for _, want := range []string{
		`node_arp_entries{device="veth26"}`, `receive_bytes_total{device="veth26"}`, `{device="dm-26"}`, `devices="26-edge queue26"`,
		`mountpoint="/run/pod26"`, `{device="md26"}`, `type="kind26"`, `chip="chip26"`, "churn_1{", `name="unit3.service"`,
	} {
		if !strings.Contains(text, want) {
			c.t.Errorf("no %s", want)
		}
	}
}

// turns scrapes after each of n turns.
func (c *churn) turns(set *collector.Set, n int) (snap *collector.Snapshot) {
	for range n {
		c.turn()
		snap = scrape(c.t, set)
	}
	return snap
}

// turnAndRest turns n times and returns what is kept after scrapes by which everything unused has been dropped. It rests
// now and then, for what maps keep room for depends on how much there ever was between.
func (c *churn) turnAndRest(set *collector.Set, n int) (fds int, bytes uint64) {
	const every = 50
	for ; n > 0; n -= every {
		c.turns(set, min(n, every))
		for range 12 {
			scrape(c.t, set)
		}
		c.bus.set(func() { c.bus.calls = nil })
	}
	return descriptors(c.t), heap()
}
