package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// linkSource is the network devices of the host, listed once for both its areas.
type linkSource struct {
	conn  *netlink // nil if the host's network is not this process's own
	body  []byte   // of the request
	asked ethtool
	ask   func(device string) (speed int64, duplex string, err error) // nil if sysfs is to be read
	round uint64                                                      // the collection that listed them
	ok    bool

	message linkMessage
	pass    uint64 // readings of the list
	list    []*link
	byIndex map[int32]*link
}

// link is a network device listed by netlink. It lives as long as the device.
type link struct {
	netDevice
	stats  [linkStatsFields]uint64
	nstats int
	pass   uint64

	hardware, broadcastTo []byte    // the addresses, before they became text
	running               bool      // otherwise it has neither speed nor duplex
	allFlags              bool      // netlink gave the flags as sysfs does
	noSpeed               bool      // it does not support speed and duplex
	kept                  time.Time // when what is kept for a minute was read
}

func (s *sources) openLinks() {
	if s.links != nil {
		return
	}
	s.links = &linkSource{byIndex: make(map[int32]*link)}
	if s.network == ownNetwork {
		s.links.conn = s.netlink(unix.NETLINK_ROUTE)
		s.links.ask = s.links.askDriver
		mask := binary.NativeEndian.AppendUint32(nil, skipLinkStats)
		s.links.body = appendNetlinkAttr(make([]byte, unix.SizeofIfInfomsg), unix.IFLA_EXT_MASK, mask)
	}
}

// readLinks lists the network devices. It reports false if that does not work; then files are to be read instead.
func (s *sources) readLinks() ([]*link, bool) {
	ls := s.links
	if ls.round == s.round {
		return ls.list, ls.ok
	}
	ls.round = s.round
	ls.ok = ls.conn != nil && s.listNetlink(ls.conn, unix.RTM_GETLINK, ls.body, ls.begin, ls.add)
	if ls.ok && len(ls.byIndex) > len(ls.list) {
		for index, l := range ls.byIndex {
			if l.pass != ls.pass {
				delete(ls.byIndex, index)
			}
		}
	}
	return ls.list, ls.ok
}

func (ls *linkSource) begin() {
	ls.pass++
	ls.list = ls.list[:0]
}

func (ls *linkSource) add(item []byte) error {
	m := &ls.message
	if err := parseLink(item, m); err != nil {
		return err
	}
	if len(m.name) == 0 {
		return nil
	}
	l := ls.byIndex[m.index]
	if l == nil {
		l = new(link)
		ls.byIndex[m.index] = l
	}
	if l.pass != ls.pass {
		l.pass = ls.pass
		ls.list = append(ls.list, l)
	}
	l.update(m)
	return nil
}

// operStates are the names that sysfs has for operational states (RFC 2863, net/core/net-sysfs.c).
var operStates = [...]string{"unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"}

// update takes over what netlink says, in the form that sysfs has (net/core/net-sysfs.c).
func (l *link) update(m *linkMessage) {
	if l.name != string(m.name) || !bytes.Equal(l.hardware, m.address) {
		l.kept = time.Time{}
	}
	if !l.known[netCarrierChanges] || l.numbers[netCarrierChanges] != int64(m.changes) {
		l.noSpeed = false
	}
	setText(&l.name, m.name)
	setText(&l.alias, bytes.TrimSpace(m.alias))
	setAddress(&l.address, &l.hardware, m.address)
	setAddress(&l.broadcast, &l.broadcastTo, m.broadcast)
	l.operstate = ""
	if m.hasAttr(unix.IFLA_OPERSTATE) && int(m.operstate) < len(operStates) {
		l.operstate = operStates[m.operstate]
	}

	l.running = m.flags&unix.IFF_UP != 0
	l.allFlags = m.hasAttr(unix.IFLA_PROMISCUITY) && m.hasAttr(unix.IFLA_ALLMULTI) // the second since Linux 6.0
	l.set(l.allFlags, netFlags, int64(m.deviceFlags()))
	l.set(true, netIfIndex, int64(m.index))
	l.set(true, netType, int64(m.typ))
	l.set(l.running, netDormant, int64(bool01(m.flags&unix.IFF_DORMANT != 0)))
	l.set(l.running && m.hasAttr(unix.IFLA_CARRIER), netCarrier, int64(m.carrier))
	l.set(m.hasAttr(unix.IFLA_CARRIER_CHANGES), netCarrierChanges, int64(m.changes))
	l.set(m.hasAttr(unix.IFLA_CARRIER_UP_COUNT), netCarrierUp, int64(m.upChanges))
	l.set(m.hasAttr(unix.IFLA_CARRIER_DOWN_COUNT), netCarrierDown, int64(m.downChanges))
	l.set(m.hasAttr(unix.IFLA_LINKMODE), netLinkMode, int64(m.linkMode))
	l.set(m.hasAttr(unix.IFLA_MTU), netMTU, int64(int32(m.mtu))) // sysfs prints these as signed
	l.set(m.hasAttr(unix.IFLA_GROUP), netGroup, int64(int32(m.group)))
	l.set(m.hasAttr(unix.IFLA_TXQLEN), netTxQueueLen, int64(int32(m.txQueue)))
	if m.hasAttr(unix.IFLA_LINK) {
		l.set(true, netIfLink, int64(m.link))
	} else {
		l.set(true, netIfLink, int64(m.index))
	}
	l.stats, l.nstats = m.stats, m.nstats
}

// deviceFlags undoes what the kernel does to the flags for netlink (dev_get_flags in net/core/dev.c): it adds what is
// kept elsewhere, and leaves out that somebody wants all packets but did not say so through a flag.
func (m *linkMessage) deviceFlags() uint32 {
	flags := m.flags &^ (unix.IFF_RUNNING | unix.IFF_LOWER_UP | unix.IFF_DORMANT | unix.IFF_PROMISC | unix.IFF_ALLMULTI)
	if m.promiscuity > 0 {
		flags |= unix.IFF_PROMISC
	}
	if m.allmulti > 0 {
		flags |= unix.IFF_ALLMULTI
	}
	return flags
}

func setAddress(text *string, have *[]byte, b []byte) {
	if !bytes.Equal(*have, b) {
		*have = append((*have)[:0], b...)
		*text = net.HardwareAddr(b).String()
	}
}

// completeLink reads what netlink does not tell, from sysfs unless the driver can be asked.
func (s *sources) completeLink(l *link) {
	dir := netFolder{unix.AT_FDCWD, s.sysPath("class/net", l.name) + "/"}
	if !s.recent(l.kept) {
		l.kept = s.now()
		l.noSpeed = false
		for _, n := range []netNumber{netAddrAssignType, netDevID, netNameAssignType} {
			_ = s.readNetNumber(&l.netDevice, dir, n) // what cannot be read is not known
		}
	}
	if !l.allFlags {
		_ = s.readNetNumber(&l.netDevice, dir, netFlags)
	}
	if !l.running || l.noSpeed {
		l.set(false, netSpeed, 0)
		l.duplex = ""
		return
	}
	if s.links.ask != nil && l.known[netCarrier] && l.numbers[netCarrier] == 1 {
		speed, duplex, err := s.links.ask(l.name)
		l.noSpeed = errors.Is(err, unix.EOPNOTSUPP)
		if err == nil || l.noSpeed {
			l.set(err == nil, netSpeed, speed)
			l.duplex = duplex
			return
		}
	}
	speedErr := s.readNetNumber(&l.netDevice, dir, netSpeed)
	duplexErr := s.readNetText(&l.duplex, dir, "duplex")
	l.noSpeed = errors.Is(speedErr, unix.EINVAL) && errors.Is(duplexErr, unix.EINVAL)
}

// askDriver asks over the socket that the devices were listed with.
func (ls *linkSource) askDriver(device string) (speed int64, duplex string, err error) {
	return ls.asked.get(ls.conn.f.Fd(), device)
}
