package host

import "github.com/chronoops/chronoops/collector"

var hungTasks = &collector.Family{
	Name: "node_kernel_hung_tasks_total", Legacy: "node_kernel_hung_tasks", Type: collector.Counter,
	Help: "Tasks found hanging in uninterruptible sleep since the host booted.",
}

// kernelHungArea is there from Linux 6.13 on.
var kernelHungArea = area{
	name: "kernel_hung", families: []*collector.Family{hungTasks},
	open: func(s *sources) (reader, error) {
		f := s.sysctl("kernel/hung_task_detect_count")
		return func(w *collector.Writer) error { return s.recordNumbers(w, numberFile{f, hungTasks}) }, nil
	},
}
