package guard

import (
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
)

// pause is the kill switch: a row or a file, either one stops everything or one resource. Shadow goes on to say what it
// would do, as it cannot act.
func pause(f Facts) Verdict {
	if Mode(f) == receiver.ModeShadow {
		return pass()
	}
	if f.StopErr != nil {
		return wait(fmt.Sprintf("cannot tell whether repairs are paused by file: %v", f.StopErr))
	}
	if f.StopFile != "" {
		return wait(fmt.Sprintf("repairs are paused by the file %s: remove it to go on", f.StopFile))
	}
	for _, p := range f.Pauses {
		if !p.Active(f.Now) || (p.Resource != "" && p.Resource != f.Resource) {
			continue
		}
		what := "repairs are"
		if p.Resource != "" {
			what = "repairs of " + p.Resource + " are"
		}
		until := "until somebody resumes them"
		if !p.Until.IsZero() {
			until = "until " + p.Until.Format(time.RFC3339)
		}
		return wait(fmt.Sprintf("%s paused by %s %s: %s", what, p.By, until, p.Reason))
	}
	return pass()
}
