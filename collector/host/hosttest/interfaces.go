package hosttest

import (
	"fmt"
	"strconv"
	"strings"
)

// nic is a network interface.
type nic struct {
	name   string
	path   string // below sys/devices
	index  int
	up     bool
	master string // the bond or bridge that it belongs to
	attrs  string // more attributes, or others
}

// interfaces writes sys/class/net for the machine's own interfaces and for pairs of containers up to n in all.
func interfaces(t *tree, n int) []nic {
	const virtual = "virtual/net/"
	nics := []nic{
		{name: "lo", path: virtual + "lo", up: true, attrs: "address 00:00:00:00:00:00|broadcast 00:00:00:00:00:00|flags 0x9|mtu 65536|operstate unknown|type 772|name_assign_type -|duplex -|speed -"},
		{name: "eth0", path: "pci0000:00/0000:00:1c.0/0000:02:00.0/net/eth0", up: true, master: "bond0", attrs: "flags 0x1903|speed 10000|duplex full|carrier_changes 3|carrier_up_count 2|carrier_down_count 1|dev_id 0x20|phys_port_id 0c42a1fffe000001|phys_port_name p0"},
		{name: "eth1", path: "pci0000:00/0000:00:1c.0/0000:02:00.1/net/eth1", master: "bond0", attrs: "flags 0x1803|speed 1000|duplex unknown|carrier 0"},
		{name: "eth2", path: "pci0000:00/0000:00:1f.6/net/eth2", attrs: `flags 0x1002|operstate down|carrier -|speed -|duplex -|dormant -|ifalias uplink to "core" \ 7|addr_assign_type 3`},
		{name: "bond0", path: virtual + "bond0", up: true, attrs: "flags 0x1403|speed 10000|duplex full|name_assign_type 3|addr_assign_type 2"},
		{name: "br0", path: virtual + "br0", up: true, attrs: "flags 0x1003|tx_queue_len 1000|speed -1|name_assign_type 3|dormant 1"},
		{name: "wg0", path: virtual + "wg0", up: true, attrs: "address -|broadcast -|addr_len 0|flags 0x91|mtu 1420|operstate unknown|type 65534|name_assign_type 3"},
	}
	for i := len(nics); i < n; i++ {
		name := fmt.Sprintf("veth%07x", i*49157)
		nics = append(nics, nic{
			name: name, path: virtual + name, up: true, master: "br0",
			attrs: fmt.Sprintf("speed 10000|duplex full|netdev_group %d|iflink %d", i%3, i),
		})
	}
	for i := range nics {
		nics[i].index = i + 1
		writeInterface(t, nics[i])
	}
	t.file("sys/class/net/bonding_masters", "bond0\n")
	t.attrs("sys/devices/"+virtual+"bond0/bonding", `
		slaves eth0 eth1
		active_slave eth0
		mode active-backup 1
		mii_status up
	`)
	for _, slave := range nics {
		if slave.master != "bond0" {
			continue
		}
		status := "down"
		if slave.up {
			status = "up"
		}
		t.attrs("sys/devices/"+slave.path+"/bonding_slave", "mii_status "+status+"\nstate active\nlink_failure_count 1")
	}
	return nics
}

// writeInterface writes the attributes of drivers/net and net/core/net-sysfs.c. Those that a device has but refuses to
// tell, as many do while they are down, are left out: to a reader the two are alike.
func writeInterface(t *tree, d nic) {
	values := map[string]string{
		"addr_assign_type": "0", "addr_len": "6",
		"address":   fmt.Sprintf("02:fc:00:00:%02x:%02x", d.index>>8, d.index&255),
		"broadcast": "ff:ff:ff:ff:ff:ff", "carrier": "1", "carrier_changes": "2", "carrier_down_count": "1",
		"carrier_up_count": "1", "dev_id": "0x0", "dev_port": "0", "dormant": "0", "flags": "0x1003",
		"gro_flush_timeout": "0", "ifalias": "", "ifindex": strconv.Itoa(d.index), "iflink": strconv.Itoa(d.index),
		"link_mode": "0", "mtu": "1500", "name_assign_type": "4", "napi_defer_hard_irqs": "0", "netdev_group": "0",
		"operstate": "up", "proto_down": "0", "testing": "0", "threaded": "0", "tx_queue_len": "1000", "type": "1",
		"uevent": "INTERFACE=" + d.name,
	}
	if !d.up {
		values["operstate"] = "down"
	}
	for attr := range strings.SplitSeq(d.attrs, "|") {
		name, value, _ := strings.Cut(attr, " ")
		values[name] = value
		if value == "-" {
			delete(values, name)
		}
	}
	dir := "sys/devices/" + d.path
	parent := strings.TrimSuffix(dir, "/net/"+d.name)
	if strings.HasPrefix(d.path, "virtual/") {
		parent = ""
	}
	t.device("net", dir, parent)
	for name, value := range values {
		t.file(dir+"/"+name, value+"\n")
	}
	for i, name := range strings.Fields(`collisions multicast rx_bytes rx_compressed rx_crc_errors rx_dropped rx_errors rx_fifo_errors
		rx_frame_errors rx_length_errors rx_missed_errors rx_nohandler rx_over_errors rx_packets tx_aborted_errors tx_bytes
		tx_carrier_errors tx_compressed tx_dropped tx_errors tx_fifo_errors tx_heartbeat_errors tx_packets tx_window_errors`) {
		t.file(dir+"/statistics/"+name, fmt.Sprintf("%d\n", spread(i+d.index)))
	}
	if d.master != "" {
		master := "sys/devices/virtual/net/" + d.master
		t.link(dir+"/master", master)
		t.link(master+"/lower_"+d.name, dir)
		t.link(dir+"/upper_"+d.master, master)
	}
}
