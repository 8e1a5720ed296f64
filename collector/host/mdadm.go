package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/chronoops/chronoops/collector"
)

var (
	mdState         = gauge("node_md_state", "1 for the state that the array is in.", "device", "state")
	mdDisks         = gauge("node_md_disks", "Disks of the array that are active, failed or spare.", "device", "state")
	mdDisksRequired = gauge("node_md_disks_required", "Disks that the array needs to be complete.", "device")
	mdBlocks        = gauge("node_md_blocks", "Size of the array in blocks of 1 KiB.", "device")
	mdBlocksSynced  = gauge("node_md_blocks_synced", "Blocks that are in sync.", "device")
	mdRaidDisks     = gauge("node_md_raid_disks", "Disks that the array is made of.", "device")
	mdDegraded      = gauge("node_md_degraded", "Disks that the array lacks.", "device")
)

var mdadmArea = area{
	name:     "mdadm",
	families: []*collector.Family{mdState, mdDisks, mdDisksRequired, mdBlocks, mdBlocksSynced, mdRaidDisks, mdDegraded},
	open:     openMdadm,
}

// mdStates are the values of the label state. An array in another state, such as one that is reshaped, has none.
var mdStates = []string{"active", "inactive", "recovering", "resync", "check"}

// mdArray is an array of /proc/mdstat (drivers/md/md.c).
type mdArray struct {
	name                            []byte
	state                           string // of mdStates, or ""
	required, active, failed, spare int
	blocks, synced                  uint64
}

// parseMdstat calls yield for each array.
func parseMdstat(b []byte, yield func(a *mdArray)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		name, rest := cutField(line)
		colon, rest := cutField(rest)
		if isIndented(line) || string(colon) != ":" || string(name) == "Personalities" {
			continue
		}
		state, _ := cutField(rest)
		a := mdArray{
			name: name, failed: bytes.Count(line, []byte("(F)")), spare: bytes.Count(line, []byte("(S)")),
		}
		for _, s := range mdStates[:2] {
			if s == string(state) {
				a.state = s
			}
		}
		status, after := cutLine(b)
		if err := a.parseStatus(line, status); err != nil {
			return fmt.Errorf("/proc/mdstat: %s: %w", name, err)
		}
		sync, more := cutLine(after)
		if bytes.Contains(sync, []byte("bitmap")) {
			sync, _ = cutLine(more)
		}
		if err := a.parseSync(sync); err != nil {
			return fmt.Errorf("/proc/mdstat: %s: %w", name, err)
		}
		yield(&a)
	}
	return nil
}

func isIndented(line []byte) bool { return len(line) > 0 && isSpace(line[0]) }

// parseStatus reads a line like "1953514432 blocks super 1.2 [2/1] [U_]" and counts the disks.
func (a *mdArray) parseStatus(device, status []byte) error {
	size, _ := cutField(status)
	var err error
	if a.blocks, err = parseUint(size); err != nil {
		return fmt.Errorf("size: %w", err)
	}
	a.synced = a.blocks
	switch {
	case bytes.Contains(device, []byte("raid0")) || bytes.Contains(device, []byte("linear")): // these have no status
		a.required = bytes.Count(device, []byte("["))
		a.active = a.required
		return nil
	case bytes.Contains(device, []byte("inactive")):
		return nil
	}
	// The last pair of brackets is a letter for each disk, the one before it the numbers.
	letters := bytes.LastIndex(status, []byte("] ["))
	if letters < 0 {
		return errors.New("no numbers of disks")
	}
	if disks := bytes.TrimLeft(status[letters+len("] ["):], "U_"); len(disks) == 0 || disks[0] != ']' {
		return errors.New("no letters of disks")
	}
	numbers := status[bytes.LastIndexByte(status[:letters], '[')+1 : letters]
	required, active, _ := bytes.Cut(numbers, []byte{'/'})
	r, err := parseUint(required)
	if err != nil {
		return fmt.Errorf("disks required: %w", err)
	}
	n, err := parseUint(active)
	if err != nil {
		return fmt.Errorf("disks active: %w", err)
	}
	a.required, a.active = int(r), int(n)
	return nil
}

// parseSync reads a line like "[=>...]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec". Any
// other line says that nothing is being synchronized.
func (a *mdArray) parseSync(line []byte) error {
	state, found := "", false
	for _, s := range []struct{ word, state string }{
		{"recovery", "recovering"}, {"reshape", ""}, {"check", "check"}, {"resync", "resync"},
	} {
		if bytes.Contains(line, []byte(s.word)) {
			state, found = s.state, true
			break
		}
	}
	if !found {
		return nil
	}
	a.state, a.synced = state, 0
	_, numbers, ok := bytes.Cut(line, []byte{'('})
	if !ok || bytes.Contains(line, []byte("PENDING")) || bytes.Contains(line, []byte("DELAYED")) {
		return nil
	}
	done, _, _ := bytes.Cut(numbers, []byte{'/'})
	var err error
	if a.synced, err = parseUint(done); err != nil {
		return fmt.Errorf("blocks synced: %w", err)
	}
	return nil
}

func openMdadm(s *sources) (reader, error) {
	f := s.proc("mdstat")
	return func(w *collector.Writer) error {
		b, err := s.content(f)
		if err != nil {
			return err
		}
		var errs []error
		err = parseMdstat(b, func(a *mdArray) {
			name := string(a.name)
			for _, state := range mdStates {
				w.Add(mdState, bool01(state == a.state), name, state)
			}
			w.Add(mdDisks, float64(a.active), name, "active")
			w.Add(mdDisks, float64(a.failed), name, "failed")
			w.Add(mdDisks, float64(a.spare), name, "spare")
			w.Add(mdDisksRequired, float64(a.required), name)
			w.Add(mdBlocks, float64(a.blocks), name)
			w.Add(mdBlocksSynced, float64(a.synced), name)
			if err := s.recordRaid(w, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		})
		return errors.Join(append(errs, err)...)
	}, nil
}

// recordRaid records what sysfs knows about an array; one that just ended is not there any more.
func (s *sources) recordRaid(w *collector.Writer, name string) error {
	dir := s.sysPath("block", name, "md")
	level, err := s.attribute(dir + "/level")
	if err != nil {
		return err
	}
	degraded := uint64(0)
	switch level {
	case "", "container", "imsm", "ddf": // no disks of its own
	default:
		text, err := s.read(dir + "/raid_disks")
		if err != nil {
			return err
		}
		now, _ := cutField(text) // the number before a reshape follows in brackets
		if n, err := parseUint(bytes.TrimSpace(now)); err == nil {
			w.Add(mdRaidDisks, float64(n), name)
		}
	}
	switch level {
	case "raid1", "raid4", "raid5", "raid6", "raid10":
		text, err := s.read(dir + "/degraded")
		if err != nil {
			return err
		}
		if degraded, err = parseUint(bytes.TrimSpace(text)); err != nil {
			return fmt.Errorf("%s/degraded: %w", dir, err)
		}
	}
	w.Add(mdDegraded, float64(degraded), name)
	return nil
}
