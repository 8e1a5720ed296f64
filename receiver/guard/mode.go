package guard

import (
	"fmt"

	"github.com/chronoops/chronoops/receiver"
)

// mode refuses what is switched off. Shadow and approve pass here: they are ways to go on that end before the effect.
func mode(f Facts) Verdict {
	if f.Policy == nil || f.Step == nil {
		return refuse("the policy or its step is no longer configured")
	}
	if f.Person {
		if f.Ceiling <= receiver.ModeShadow {
			return refuse(fmt.Sprintf("repairs are off for people too while receiver.mode is %s: raise it to approve or auto", f.Ceiling))
		}
		return pass()
	}
	if Mode(f) == receiver.ModeOff {
		return refuse("repairs of this policy are off")
	}
	return pass()
}

// Mode is the mode in force: the stricter of the receiver's and the policy's. A run that a person asked for needs no approval.
func Mode(f Facts) receiver.Mode {
	if f.Person {
		return receiver.ModeAuto
	}
	if f.Policy == nil {
		return receiver.ModeOff
	}
	return receiver.Stricter(f.Ceiling, f.Policy.Mode)
}
