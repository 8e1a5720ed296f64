package host

import (
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/collector"
)

var (
	interruptsArea  = area{name: "interrupts", optIn: true, families: []*collector.Family{interruptsOfCPU}, open: openInterrupts}
	interruptsOfCPU = counter("node_interrupts_total", "Interrupts that the CPU serviced.", "cpu", "type", "info", "devices")

	softirqsArea  = area{name: "softirqs", optIn: true, families: []*collector.Family{softirqsOfCPU}, open: openSoftirqs}
	softirqsOfCPU = counter("node_softirqs_functions_total", "Software interrupts that the CPU serviced.", "cpu", "type")
)

func openInterrupts(s *sources) (reader, error) {
	skip, err := s.o.Interrupts.only()
	if err != nil {
		return nil, err
	}
	r := &tableReader{
		s: s, f: s.proc("interrupts"), family: interruptsOfCPU, zeros: s.o.InterruptZeros,
		labels: func(name, rest string) ([]string, bool) {
			info, devices := describeInterrupt(name, rest)
			return []string{name, info, devices}, rest != "" && !skip(name+";"+info+";"+devices)
		},
	}
	return r.record, nil
}

// describeInterrupt splits what stands after the numbers. Of an interrupt that has a number the first word is the chip,
// and the others are its line and devices.
func describeInterrupt(name, rest string) (info, devices string) {
	words := strings.Fields(rest)
	if _, err := strconv.Atoi(name); err == nil && len(words) > 0 {
		return words[0], strings.Join(words[1:], " ")
	}
	return strings.Join(words, " "), ""
}

func openSoftirqs(s *sources) (reader, error) {
	r := &tableReader{
		s: s, f: s.proc("softirqs"), family: softirqsOfCPU, zeros: true,
		labels: func(name, _ string) ([]string, bool) { return []string{name}, true },
	}
	return r.record, nil
}
