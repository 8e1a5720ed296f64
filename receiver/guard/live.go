package guard

import "fmt"

// live is the last look before acting: Alertmanager must say that the alert is active now.
func live(f Facts) Verdict {
	if f.Person || !f.Acting {
		return pass()
	}
	switch {
	case f.Live == nil:
		return wait("Alertmanager has not been asked whether the alert is still active")
	case f.Live.Err != nil:
		return wait(fmt.Sprintf("Alertmanager could not be asked whether the alert is still active: %v", f.Live.Err))
	case f.Live.State == LiveActive:
		return pass()
	case f.Live.State == LiveSuppressed:
		return wait("the alert is silenced or inhibited in Alertmanager")
	case f.Live.State == LiveAbsent:
		return wait("Alertmanager no longer knows the alert")
	}
	return refuse(fmt.Sprintf("Alertmanager's answer %q is unknown", f.Live.State))
}
