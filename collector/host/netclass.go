package host

import (
	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/collector"
)

var netclassArea = area{name: "netclass", families: netclassFamilies, open: openNetclass}

var (
	netUp   = gauge("node_network_up", "1 if the device's operational state is up.", "device")
	netInfo = gauge("node_network_info", "What is known of the device besides numbers.",
		"device", "address", "broadcast", "duplex", "operstate", "adminstate", "ifalias")
)

const megabit = 1e6 / 8 // in bytes

// netNumber is a numeric attribute of a network device.
type netNumber int

const (
	netAddrAssignType netNumber = iota
	netCarrier
	netCarrierChanges
	netCarrierUp
	netCarrierDown
	netDevID
	netDormant
	netFlags
	netIfIndex
	netIfLink
	netLinkMode
	netMTU
	netNameAssignType
	netGroup
	netSpeed
	netTxQueueLen
	netType
	netNumbers
)

// netAttributes are the numbers' files below /sys/class/net/DEVICE (Documentation/ABI/testing/sysfs-class-net).
var netAttributes = [netNumbers]struct {
	file   string
	family *collector.Family
}{
	netAddrAssignType: {"addr_assign_type", netGauge("address_assign_type", "Where the hardware address is from: 0 permanent, 1 random, 2 taken from another device, 3 set.")},
	netCarrier:        {"carrier", netGauge("carrier", "1 if the link is there; nothing while the device is down.")},
	netCarrierChanges: {"carrier_changes", netCounter("carrier_changes", "Changes of the link.")},
	netCarrierUp:      {"carrier_up_count", netCounter("carrier_up_changes", "Times the link came.")},
	netCarrierDown:    {"carrier_down_count", netCounter("carrier_down_changes", "Times the link went.")},
	netDevID:          {"dev_id", netGauge("device_id", "Tells devices apart that share a hardware address.")},
	netDormant:        {"dormant", netGauge("dormant", "1 if the device waits for something such as authentication; nothing while it is down.")},
	netFlags:          {"flags", netGauge("flags", "The device's IFF_ flags.")},
	netIfIndex:        {"ifindex", netGauge("iface_id", "The device's index.")},
	netIfLink:         {"iflink", netGauge("iface_link", "Index of the device below, or the device's own.")},
	netLinkMode:       {"link_mode", netGauge("iface_link_mode", "1 if the device stays dormant until it is told otherwise.")},
	netMTU:            {"mtu", netGauge("mtu_bytes", "Largest packet that the device sends.")},
	netNameAssignType: {"name_assign_type", netGauge("name_assign_type", "Where the name is from: 1 numbered by the kernel, 2 predictable, 3 given, 4 renamed.")},
	netGroup:          {"netdev_group", netGauge("net_dev_group", "The device group.")},
	netSpeed:          {"speed", netGauge("speed_bytes", "Speed of the link in bytes per second, negative if the device does not know.")},
	netTxQueueLen:     {"tx_queue_len", netGauge("transmit_queue_length", "Packets that the send queue holds.")},
	netType:           {"type", netGauge("protocol_type", "The kind of hardware (ARPHRD_).")},
}

var netclassFamilies = func() []*collector.Family {
	fs := []*collector.Family{netUp, netInfo}
	for _, a := range netAttributes {
		fs = append(fs, a.family)
	}
	return fs
}()

func netGauge(name, help string) *collector.Family {
	return gauge("node_network_"+name, help, "device")
}

func openNetclass(s *sources) (reader, error) {
	skip, err := s.o.NetClass.skip()
	if err != nil {
		return nil, err
	}
	s.openLinks()
	files := netFiles{kept: make(devices[netDevice])}
	return func(w *collector.Writer) error {
		if links, ok := s.readLinks(); ok {
			for _, l := range links {
				if !skip(l.name) {
					s.completeLink(l)
					s.recordNetDevice(w, &l.netDevice)
				}
			}
			return nil
		}
		names, err := s.dir(s.sysPath("class/net"))
		if err != nil {
			return err
		}
		for _, name := range names {
			if skip(name) {
				continue
			}
			if d, ok := files.read(s, name); ok {
				s.recordNetDevice(w, d)
			}
		}
		files.kept.forget(s)
		return nil
	}, nil
}

func (s *sources) recordNetDevice(w *collector.Writer, d *netDevice) {
	for n, a := range netAttributes {
		if !d.known[n] {
			continue
		}
		v := float64(d.numbers[n])
		if netNumber(n) == netSpeed {
			if v < 0 && !s.o.InvalidSpeed {
				continue
			}
			v *= megabit
		}
		w.Add(a.family, v, d.name)
	}
	admin := "unknown"
	if d.known[netFlags] {
		admin = "down"
		if d.numbers[netFlags]&unix.IFF_UP != 0 {
			admin = "up"
		}
	}
	w.Add(netUp, bool01(d.operstate == "up"), d.name)
	w.Add(netInfo, 1, d.name, d.address, d.broadcast, d.duplex, d.operstate, admin, d.alias)
}
