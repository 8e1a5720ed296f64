package host

import (
	"fmt"
	"strconv"

	"github.com/chronoops/chronoops/collector"
)

var softnetArea = area{name: "softnet", families: softnetFamilies, open: openSoftnet}

var softnetFamilies = []*collector.Family{
	counter("node_softnet_processed_total", "Packets taken from the CPU's receive queue.", "cpu"),
	counter("node_softnet_dropped_total", "Packets dropped because the CPU's receive queue was full.", "cpu"),
	counter("node_softnet_times_squeezed_total", "Times that receiving stopped with packets left, for want of budget or time.", "cpu"),
	counter("node_softnet_cpu_collision_total", "Times that a device was locked by another CPU when sending.", "cpu"),
	counter("node_softnet_received_rps_total", "Times the CPU was woken by another one to receive packets.", "cpu"),
	counter("node_softnet_flow_limit_count_total", "Packets dropped because their flow was over its limit.", "cpu"),
	gauge("node_softnet_backlog_len", "Packets in the CPU's receive queue.", "cpu"),
}

// softnetColumns are the columns of /proc/net/softnet_stat (net/core/net-procfs.c) of softnetFamilies; old kernels
// have fewer.
var softnetColumns = [...]int{0, 1, 2, 8, 9, 10, 11}

const (
	softnetFields  = 13
	softnetAtLeast = 9  // before Linux 2.6.39
	softnetCPU     = 12 // since Linux 5.14
)

// parseSoftnet calls yield for each CPU in /proc/net/softnet_stat.
func parseSoftnet(b []byte, yield func(cpu uint64, values *[softnetFields]uint64)) error {
	for i := uint64(0); len(b) > 0; i++ {
		var line []byte
		line, b = cutLine(b)
		var values [softnetFields]uint64
		n, err := parseHexes(line, values[:])
		if err == nil && n < softnetAtLeast {
			err = fmt.Errorf("%d fields, want %d", n, softnetAtLeast)
		}
		if err != nil {
			return fmt.Errorf("/proc/net/softnet_stat: %w", err)
		}
		cpu := i
		if n == softnetFields { // a CPU that is offline has no line
			cpu = values[softnetCPU]
		} else {
			values[softnetCPU-1] = 0 // the two came together
		}
		yield(cpu, &values)
	}
	return nil
}

func openSoftnet(s *sources) (reader, error) {
	f := s.procNet("softnet_stat")
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		return parseSoftnet(b, func(cpu uint64, values *[softnetFields]uint64) {
			id := strconv.FormatUint(cpu, 10)
			for i, column := range softnetColumns {
				w.Add(softnetFamilies[i], float64(values[column]), id)
			}
		})
	}, nil
}
