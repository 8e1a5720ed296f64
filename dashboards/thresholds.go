package dashboards

// Thresholds of the alerts, which also colour the panels. A test holds them equal to the rules.
const (
	maxErrorRatio       = 0.01 // HighErrorRate
	maxResponseTime     = 0.5  // HighResponseTime, seconds
	maxCPU              = 0.80 // HighCPUUsage
	maxMemory           = 0.85 // HighMemoryUsage
	maxDisk             = 0.90 // DiskSpaceLow
	maxConnections      = 0.80 // TooManyConnections
	runbookBase         = "http://localhost:9847/runbooks/"
	watchdogLateSeconds = 180 // three of the intervals at which Alertmanager repeats the Watchdog
)

// Objectives: not reached they wake nobody, yet are worth a look.
const (
	goodCPU          = 0.70
	goodMemory       = 0.80
	goodDisk         = 0.85
	goodResponseTime = 0.2 // seconds
)
