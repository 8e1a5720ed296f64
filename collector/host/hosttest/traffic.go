package hosttest

import (
	"fmt"
	"strings"
)

// traffic writes what is below /proc/net.
func traffic(t *tree, cpus int, nics []nic) {
	const dir = "proc/1/net/"
	var b strings.Builder
	b.WriteString("Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n")
	for _, d := range nics {
		fmt.Fprintf(&b, "%6s:", d.name)
		for i := range 16 {
			v := spread(i + d.index)
			if i%8 == 0 {
				v = v*1_000_003 + 1 // bytes need more than a float's 24 bits
			}
			fmt.Fprintf(&b, " %d", v)
		}
		b.WriteByte('\n')
	}
	t.file(dir+"dev", b.String())

	b.Reset()
	b.WriteString("IP address       HW type     Flags       HW address            Mask     Device\n")
	for i, flags := range []string{"0x2", "0x2", "0x6", "0x0", "0x2"} {
		d := nics[[]int{4, 4, 4, 5, 5}[i]]
		fmt.Fprintf(&b, "192.0.2.%-9d0x1         %-12s02:fc:00:00:01:%02x     *        %s\n", i+1, flags, i, d.name)
	}
	t.file(dir+"arp", b.String())

	b.Reset()
	for cpu := range cpus {
		fields := [15]int{0: spread(cpu) + 1, 1: cpu % 3, 2: cpu * 7, 8: cpu % 2, 9: cpu * 11, 10: cpu % 4, 11: cpu % 5, 12: cpu}
		fmt.Fprintln(&b, join("%08x", " ", len(fields), func(i int) int { return fields[i] }))
	}
	t.file(dir+"softnet_stat", b.String())

	b.Reset()
	b.WriteString("entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart\n")
	for cpu := range cpus {
		fmt.Fprintf(&b, "%08x  %s\n", 123, join("%08x", " ", 16, func(i int) int { return spread(i+cpu) % 100_000 }))
	}
	t.file(dir+"stat/nf_conntrack", b.String())

	t.file(dir+"sockstat", "sockets: used 229\nTCP: inuse 14 orphan 1 tw 4 alloc 17 mem 3\nUDP: inuse 6 mem 2\nUDPLITE: inuse 0\nRAW: inuse 1\nFRAG: inuse 2 memory 4096\n")
	t.file(dir+"sockstat6", "TCP6: inuse 17\nUDP6: inuse 9\nUDPLITE6: inuse 0\nRAW6: inuse 1\nFRAG6: inuse 1 memory 2048\n")
	t.file(dir+"udp", udp("0100007F", "00000000"))
	t.file(dir+"udp6", udp("00000000000000000000000001000000", "00000000000000000000000000000000"))
	t.file(dir+"tcp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"+
		"   0: 0100007F:0016 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 2740 1 ffff88003d3af3c0 100 0 0 10 0\n")
	t.file(dir+"snmp", pairs(snmpNames))
	t.file(dir+"netstat", pairs(netstatNames))
	t.file(dir+"snmp6", counted(snmp6Names, "%-32s\t%d\n"))
}

func udp(local, remote string) string {
	var b strings.Builder
	b.WriteString("   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n")
	for i := range 3 {
		fmt.Fprintf(&b, "%5d: %s:%04X %s:0000 07 %08X:%08X 00:00000000 00000000     0        0 %d 2 0000000000000000 %d\n",
			9000+i, local, 53+i, remote, i*21, i*4, 3986+i, i)
	}
	return b.String()
}

// pairs returns two lines for each line of names, as snmp_seq_show writes them.
func pairs(names string) string {
	var b strings.Builder
	for line := range strings.Lines(names) {
		fields := strings.Fields(line)
		fmt.Fprintf(&b, "%s\n%s", strings.Join(fields, " "), fields[0])
		for i, name := range fields[1:] {
			v := spread(i)
			switch name {
			case "Forwarding":
				v = 1
			case "MaxConn":
				v = -1
			}
			fmt.Fprintf(&b, " %d", v)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

const snmpNames = `Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits
Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps
IcmpMsg: InType3 OutType3
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
`

const netstatNames = `TcpExt: SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps LockDroppedIcmps ArpFilter TW TWRecycled TWKilled PAWSActive PAWSEstab DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows ListenDrops TCPHPHits TCPPureAcks TCPHPAcks TCPRenoRecovery TCPSackRecovery TCPSACKReneging TCPSACKReorder TCPLostRetransmit TCPFastRetrans TCPSlowStartRetrans TCPTimeouts TCPLossProbes TCPBacklogCoalesce TCPDSACKOldSent TCPDSACKRecv TCPAbortOnData TCPAbortOnClose TCPAbortOnMemory TCPAbortOnTimeout TCPMemoryPressures TCPBacklogDrop TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop TCPRetransFail TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPFastOpenActive TCPFastOpenPassive TCPAutoCorking TCPFromZeroWindowAdv TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent TCPWinProbe TCPKeepAlive TCPDelivered TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig TcpTimeoutRehash TCPDSACKRecvSegs
IpExt: InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps
MPTcpExt: MPCapableSYNRX MPCapableSYNTX MPTCPRetrans MPJoinSynRx DSSNotMatching MPCurrEstab
`

const snmp6Names = `Ip6InReceives Ip6InHdrErrors Ip6InTooBigErrors Ip6InNoRoutes Ip6InAddrErrors Ip6InUnknownProtos
Ip6InTruncatedPkts Ip6InDiscards Ip6InDelivers Ip6OutForwDatagrams Ip6OutRequests Ip6OutDiscards Ip6OutNoRoutes
Ip6ReasmTimeout Ip6ReasmReqds Ip6ReasmOKs Ip6ReasmFails Ip6FragOKs Ip6FragFails Ip6FragCreates Ip6InMcastPkts
Ip6OutMcastPkts Ip6InOctets Ip6OutOctets Ip6InMcastOctets Ip6OutMcastOctets Ip6InNoECTPkts Ip6InCEPkts Icmp6InMsgs
Icmp6InErrors Icmp6OutMsgs Icmp6OutErrors Icmp6InCsumErrors Icmp6InDestUnreachs Icmp6InEchos Icmp6InNeighborSolicits
Icmp6OutDestUnreachs Icmp6OutType135 Udp6InDatagrams Udp6NoPorts Udp6InErrors Udp6OutDatagrams Udp6RcvbufErrors
Udp6SndbufErrors Udp6InCsumErrors Udp6IgnoredMulti UdpLite6InDatagrams UdpLite6NoPorts UdpLite6InErrors
UdpLite6OutDatagrams UdpLite6RcvbufErrors UdpLite6SndbufErrors UdpLite6InCsumErrors`
