package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var netstatArea = area{name: "netstat", families: netstatFamilies, open: openNetstat}

// netstatFamilies are the counters of DefaultNetstatFields.
var netstatFamilies = []*collector.Family{
	netstatFamily("Icmp6_InErrors", "ICMPv6 messages received with errors."),
	netstatFamily("Icmp6_InMsgs", "ICMPv6 messages received."),
	netstatFamily("Icmp6_OutMsgs", "ICMPv6 messages sent."),
	netstatFamily("Icmp_InErrors", "ICMP messages received with errors."),
	netstatFamily("Icmp_InMsgs", "ICMP messages received."),
	netstatFamily("Icmp_OutMsgs", "ICMP messages sent."),
	netstatFamily("Ip6_InOctets", "Bytes received over IPv6."),
	netstatFamily("Ip6_OutOctets", "Bytes sent over IPv6."),
	netstatFamily("IpExt_InOctets", "Bytes received over IPv4."),
	netstatFamily("IpExt_OutOctets", "Bytes sent over IPv4."),
	netstatFamily("Ip_Forwarding", "1 if the host forwards IPv4 packets, 2 if not."),
	netstatFamily("TcpExt_ListenDrops", "Connections refused by a listening socket, for whatever reason."),
	netstatFamily("TcpExt_ListenOverflows", "Connections refused because the backlog of a listening socket was full."),
	netstatFamily("TcpExt_SyncookiesFailed", "SYN cookies that came back invalid."),
	netstatFamily("TcpExt_SyncookiesRecv", "SYN cookies that came back."),
	netstatFamily("TcpExt_SyncookiesSent", "SYN cookies sent."),
	netstatFamily("TcpExt_TCPOFOQueue", "Segments queued because they came out of order."),
	netstatFamily("TcpExt_TCPRcvQDrop", "Segments dropped because the receive queue was full."),
	netstatFamily("TcpExt_TCPSynRetrans", "SYN and SYN/ACK segments sent again."),
	netstatFamily("TcpExt_TCPTimeouts", "Retransmission timers that ran out."),
	netstatFamily("Tcp_ActiveOpens", "TCP connections opened from here."),
	netstatFamily("Tcp_CurrEstab", "TCP connections in state ESTABLISHED or CLOSE-WAIT."),
	netstatFamily("Tcp_InErrs", "Segments received with errors."),
	netstatFamily("Tcp_InSegs", "Segments received."),
	netstatFamily("Tcp_OutRsts", "Segments sent with RST."),
	netstatFamily("Tcp_OutSegs", "Segments sent, those sent again left out."),
	netstatFamily("Tcp_PassiveOpens", "TCP connections opened from elsewhere."),
	netstatFamily("Tcp_RetransSegs", "Segments sent again."),
	netstatFamily("Udp6_InDatagrams", "UDP datagrams received over IPv6."),
	netstatFamily("Udp6_InErrors", "UDP datagrams over IPv6 that could not be delivered."),
	netstatFamily("Udp6_NoPorts", "UDP datagrams received over IPv6 for a port that nobody listened on."),
	netstatFamily("Udp6_OutDatagrams", "UDP datagrams sent over IPv6."),
	netstatFamily("Udp6_RcvbufErrors", "UDP datagrams over IPv6 dropped because a receive buffer was full."),
	netstatFamily("Udp6_SndbufErrors", "UDP datagrams over IPv6 not sent because a send buffer was full."),
	netstatFamily("UdpLite6_InErrors", "UDP-Lite datagrams over IPv6 that could not be delivered."),
	netstatFamily("UdpLite_InErrors", "UDP-Lite datagrams over IPv4 that could not be delivered."),
	netstatFamily("Udp_InDatagrams", "UDP datagrams received over IPv4."),
	netstatFamily("Udp_InErrors", "UDP datagrams over IPv4 that could not be delivered."),
	netstatFamily("Udp_NoPorts", "UDP datagrams received over IPv4 for a port that nobody listened on."),
	netstatFamily("Udp_OutDatagrams", "UDP datagrams sent over IPv4."),
	netstatFamily("Udp_RcvbufErrors", "UDP datagrams over IPv4 dropped because a receive buffer was full."),
	netstatFamily("Udp_SndbufErrors", "UDP datagrams over IPv4 not sent because a send buffer was full."),
}

const netstatPrefix = "node_netstat_"

func netstatFamily(key, help string) *collector.Family { return untyped(netstatPrefix+key, help) }

// netstatParser reads /proc/net/netstat and /proc/net/snmp (net/ipv4/proc.c): the names of a protocol's counters are
// one line, their values the next. What stands in which column is remembered as long as the names stay.
type netstatParser struct {
	family func(key []byte) *collector.Family // of PROTOCOL_COUNTER, nil if it is not wanted
	tables []netstatTable                     // by pair of lines
	key    []byte
}

type netstatTable struct {
	names   []byte // the line
	columns []*collector.Family
}

// parse calls yield for each counter that is wanted.
func (p *netstatParser) parse(b []byte, yield func(f *collector.Family, value float64)) error {
	for i := 0; len(b) > 0; i++ {
		var names, values []byte
		names, b = cutLine(b)
		values, b = cutLine(b)
		if i == len(p.tables) {
			p.tables = append(p.tables, netstatTable{})
		}
		t := &p.tables[i]
		if !bytes.Equal(t.names, names) || t.names == nil {
			p.learn(t, names)
		}
		protocol, rest := cutField(values)
		if name, _ := cutField(names); len(name) == 0 || !bytes.Equal(name, protocol) {
			return fmt.Errorf("values of %q follow the names of %q", protocol, name)
		}
		for _, f := range t.columns {
			var field []byte
			if field, rest = cutField(rest); field == nil {
				return fmt.Errorf("%s fewer values than names", protocol)
			}
			if f == nil {
				continue
			}
			v, err := parseInt(field)
			if err != nil {
				return fmt.Errorf("%s %w", f.Name, err)
			}
			yield(f, float64(v))
		}
		if field, _ := cutField(rest); field != nil {
			return fmt.Errorf("%s more values than names", protocol)
		}
	}
	return nil
}

func (p *netstatParser) learn(t *netstatTable, names []byte) {
	t.names = append(t.names[:0], names...)
	t.columns = t.columns[:0]
	protocol, rest := cutField(names)
	p.key = append(append(p.key[:0], bytes.TrimSuffix(protocol, []byte{':'})...), '_')
	prefix := len(p.key)
	for {
		var name []byte
		if name, rest = cutField(rest); name == nil {
			return
		}
		p.key = append(p.key[:prefix], name...)
		t.columns = append(t.columns, p.family(p.key))
	}
}

// parseSNMP6 calls yield for each counter of /proc/net/snmp6 (net/ipv6/proc.c) that family, which is given the word in
// the file, says is wanted.
func parseSNMP6(b []byte, family func(word []byte) *collector.Family, yield func(f *collector.Family, value float64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		word, rest := cutField(line)
		value, _ := cutField(rest)
		if value == nil {
			continue
		}
		f := family(word)
		if f == nil {
			continue
		}
		n, err := parseUint(value)
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
		yield(f, float64(n))
	}
	return nil
}

func openNetstat(s *sources) (reader, error) {
	wanted, err := compile(s.o.NetstatFields)
	if err != nil {
		return nil, fmt.Errorf("fields: %w", err)
	}
	families := newNamed(netstatFamilies)
	family := func(key string) *collector.Family {
		if wanted != nil && !wanted.MatchString(key) {
			return nil
		}
		return netstatFamily(key, "The kernel's counter "+key+".")
	}
	pair := func(key []byte) *collector.Family { return families.get(key, family) }
	family6 := func(word string) *collector.Family {
		six := strings.IndexByte(word, '6') // the protocol's name ends with it
		if six < 0 {
			return nil
		}
		return family(word[:six+1] + "_" + word[six+1:])
	}
	word := func(word []byte) *collector.Family { return families.get(word, family6) }
	tables := []struct {
		f *file
		p netstatParser
	}{
		{s.procNet("netstat"), netstatParser{family: pair}},
		{s.procNet("snmp"), netstatParser{family: pair}},
	}
	snmp6 := s.procNet("snmp6")
	return func(w *collector.Writer) error {
		yield := func(f *collector.Family, v float64) { w.Add(f, v) }
		for i := range tables {
			t := &tables[i]
			b, err := s.content(t.f)
			if err != nil {
				return err
			}
			if err := t.p.parse(b, yield); err != nil {
				return fmt.Errorf("%s: %w", t.f.path, err)
			}
		}
		b, err := s.content(snmp6)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // without IPv6
		} else if err != nil {
			return err
		}
		if err := parseSNMP6(b, word, yield); err != nil {
			return fmt.Errorf("%s: %w", snmp6.path, err)
		}
		return nil
	}, nil
}
