package host

import (
	"errors"
	"io/fs"

	"github.com/chronoops/chronoops/collector"
)

var udpQueuesArea = area{name: "udp_queues", families: []*collector.Family{udpQueues}, open: openUDPQueues}

var udpQueues = gauge("node_udp_queues", "Bytes in the queues of all UDP sockets.", "queue", "ip")

func openUDPQueues(s *sources) (reader, error) {
	tables := []struct {
		ip string
		f  *file
	}{
		{"v4", s.procNet("udp")},
		{"v6", s.procNet("udp6")},
	}
	return func(w *collector.Writer) error {
		missing := 0
		for _, t := range tables {
			var tx, rx float64
			err := s.inetSockets(t.f, func(s inetSocket) {
				tx += float64(s.tx)
				rx += float64(s.rx)
			})
			if errors.Is(err, fs.ErrNotExist) {
				missing++ // without this version of IP
				continue
			} else if err != nil {
				return err
			}
			w.Add(udpQueues, tx, "tx", t.ip)
			w.Add(udpQueues, rx, "rx", t.ip)
		}
		if missing == len(tables) {
			return collector.ErrNoData
		}
		return nil
	}, nil
}
