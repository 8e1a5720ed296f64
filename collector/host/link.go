package host

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// skipLinkStats (RTEXT_FILTER_SKIP_STATS) leaves out the counters of each device's IPv6, which are summed over all CPUs.
const skipLinkStats = 1 << 3

// linkStats are the counters of struct rtnl_link_stats64 (include/uapi/linux/if_link.h) that are used.
const (
	statRxPackets = iota
	statTxPackets
	statRxBytes
	statTxBytes
	statRxErrors
	statTxErrors
	statRxDropped
	statTxDropped
	statMulticast
	statCollisions
	statRxLengthErrors
	statRxOverErrors
	statRxCRCErrors
	statRxFrameErrors
	statRxFifoErrors
	statRxMissedErrors
	statTxAbortedErrors
	statTxCarrierErrors
	statTxFifoErrors
	statTxHeartbeatErrors
	statTxWindowErrors
	statRxCompressed
	statTxCompressed
	statRxNohandler // since Linux 4.6
	linkStatsFields
)

// linkMessage is what RTM_NEWLINK says about a network device (rtnetlink(7)). Its slices are part of the message.
type linkMessage struct {
	typ   uint16 // ARPHRD_*
	index int32
	flags uint32 // IFF_*
	has   uint64 // a bit for each attribute (IFLA_*) that there was

	name, alias, address, broadcast                                             []byte
	operstate, linkMode, carrier                                                uint8
	mtu, txQueue, group, promiscuity, allmulti, changes, upChanges, downChanges uint32
	link                                                                        int32
	stats                                                                       [linkStatsFields]uint64
	nstats                                                                      int
}

func (m *linkMessage) hasAttr(typ uint16) bool { return m.has&(1<<typ) != 0 }

// parseLink reads the message into m.
func parseLink(b []byte, m *linkMessage) error {
	*m = linkMessage{}
	if len(b) < unix.SizeofIfInfomsg {
		return fmt.Errorf("network device: message of %d bytes", len(b))
	}
	order := binary.NativeEndian
	m.typ, m.index, m.flags = order.Uint16(b[2:]), int32(order.Uint32(b[4:])), order.Uint32(b[8:])
	err := netlinkAttrs(b[unix.SizeofIfInfomsg:], func(typ uint16, value []byte) {
		if m.attr(typ, value) {
			m.has |= 1 << typ
		}
	})
	if err != nil {
		return fmt.Errorf("network device %d: %w", m.index, err)
	}
	return nil
}

// attr reports whether it read the attribute.
func (m *linkMessage) attr(typ uint16, value []byte) bool {
	switch typ {
	case unix.IFLA_IFNAME:
		m.name = netlinkString(value)
	case unix.IFLA_IFALIAS:
		m.alias = netlinkString(value)
	case unix.IFLA_ADDRESS:
		m.address = value
	case unix.IFLA_BROADCAST:
		m.broadcast = value
	case unix.IFLA_OPERSTATE:
		return netlinkUint8(value, &m.operstate)
	case unix.IFLA_LINKMODE:
		return netlinkUint8(value, &m.linkMode)
	case unix.IFLA_CARRIER:
		return netlinkUint8(value, &m.carrier)
	case unix.IFLA_MTU:
		return netlinkUint32(value, &m.mtu)
	case unix.IFLA_TXQLEN:
		return netlinkUint32(value, &m.txQueue)
	case unix.IFLA_GROUP:
		return netlinkUint32(value, &m.group)
	case unix.IFLA_PROMISCUITY:
		return netlinkUint32(value, &m.promiscuity)
	case unix.IFLA_ALLMULTI:
		return netlinkUint32(value, &m.allmulti)
	case unix.IFLA_CARRIER_CHANGES:
		return netlinkUint32(value, &m.changes)
	case unix.IFLA_CARRIER_UP_COUNT:
		return netlinkUint32(value, &m.upChanges)
	case unix.IFLA_CARRIER_DOWN_COUNT:
		return netlinkUint32(value, &m.downChanges)
	case unix.IFLA_LINK:
		var link uint32
		if !netlinkUint32(value, &link) {
			return false
		}
		m.link = int32(link)
	case unix.IFLA_STATS64:
		m.nstats = min(len(value)/8, linkStatsFields)
		for i := range m.nstats {
			m.stats[i] = binary.NativeEndian.Uint64(value[8*i:])
		}
	default:
		return false
	}
	return true
}

func netlinkUint8(value []byte, to *uint8) bool {
	if len(value) < 1 {
		return false
	}
	*to = value[0]
	return true
}

func netlinkUint32(value []byte, to *uint32) bool {
	if len(value) < 4 {
		return false
	}
	*to = binary.NativeEndian.Uint32(value)
	return true
}

// netlinkString is a string without the zero byte that ends it.
func netlinkString(value []byte) []byte {
	value, _, _ = bytes.Cut(value, []byte{0})
	return value
}
