package hosttest

import (
	"fmt"
	"strconv"
	"strings"
)

// queues are the hardware queues of a device at most, however many CPUs there are.
const queues = 64

// interrupts writes /proc/interrupts and /proc/softirqs: a line for each queue of a disk and of two network cards.
func interrupts(t *tree, cpus int) {
	var b strings.Builder
	b.WriteString("    ")
	for cpu := range cpus {
		fmt.Fprintf(&b, "%11s", fmt.Sprintf("CPU%d", cpu))
	}
	b.WriteByte('\n')
	row := func(name string, salt int, text string) {
		fmt.Fprintf(&b, "%4s:", name)
		for cpu := range cpus {
			fmt.Fprintf(&b, " %10d", spread(cpu+salt))
		}
		fmt.Fprintf(&b, "  %s\n", text)
	}
	row("0", 1, "IO-APIC   2-edge      timer")
	row("8", 2, "IO-APIC   8-edge      rtc0")
	row("9", 3, "IO-APIC   9-fasteoi   acpi")
	irq := 24
	for _, device := range []string{"nvme0q%d", "eth0-TxRx-%d", "eth1-TxRx-%d"} {
		for queue := range min(cpus, queues) {
			row(strconv.Itoa(irq), irq, fmt.Sprintf("PCI-MSIX-0000:01:00.0  %2d-edge      %s", queue, fmt.Sprintf(device, queue)))
			irq++
		}
	}
	for i, line := range strings.Split(`NMI   Non-maskable interrupts
LOC   Local timer interrupts
SPU   Spurious interrupts
PMI   Performance monitoring interrupts
IWI   IRQ work interrupts
RTR   APIC ICR read retries
RES   Rescheduling interrupts
CAL   Function call interrupts
TLB   TLB shootdowns
TRM   Thermal event interrupts
THR   Threshold APIC interrupts
DFR   Deferred Error APIC interrupts
MCE   Machine check exceptions
MCP   Machine check polls`, "\n") {
		name, text, _ := strings.Cut(line, "   ")
		row(name, i, " "+text)
	}
	b.WriteString(" ERR:          0\n MIS:          0\n")
	row("PIN", 4, " Posted-interrupt notification event")
	t.file("proc/interrupts", b.String())

	b.Reset()
	b.WriteString("                ")
	for cpu := range cpus {
		fmt.Fprintf(&b, "%11s", fmt.Sprintf("CPU%d", cpu))
	}
	b.WriteByte('\n')
	for i, name := range strings.Fields("HI TIMER NET_TX NET_RX BLOCK IRQ_POLL TASKLET SCHED HRTIMER RCU") {
		fmt.Fprintf(&b, "%12s:", name)
		for cpu := range cpus {
			fmt.Fprintf(&b, " %10d", spread(cpu+i))
		}
		b.WriteByte('\n')
	}
	t.file("proc/softirqs", b.String())
}
