package files

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/chronoops/chronoops/receiver/action"
)

// freeGoal is how much of a file system should be free for ordinary users; the zero value asks for nothing.
type freeGoal struct {
	bytes int64
	share float64
}

// parseGoal reads "20%" or "5GB".
func parseGoal(s string) (g freeGoal, err error) {
	if strings.HasSuffix(s, "%") {
		g.share, err = action.ParseShare(s)
		return g, err
	}
	g.bytes, err = action.ParseBytes(s)
	return g, err
}

// met tells whether free is enough.
func (g freeGoal) met(free freeGoal) bool {
	return free.bytes >= g.bytes && free.share >= g.share
}

// reached looks whether the goal, if there is one, is met on the file system of d.
func (g freeGoal) reached(d *rootDir) (bool, error) {
	if g == (freeGoal{}) {
		return false, nil
	}
	free, err := freeOf(d)
	return err == nil && g.met(free), err
}

// freeOf reads statfs(2): what node_filesystem_avail_bytes and its share of node_filesystem_size_bytes tell.
func freeOf(d *rootDir) (freeGoal, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d.self.Fd()), &st); err != nil {
		return freeGoal{}, fmt.Errorf("statfs: %w", err)
	}
	unit := st.Frsize
	if unit == 0 {
		unit = st.Bsize
	}
	free := freeGoal{bytes: int64(st.Bavail) * unit}
	if st.Blocks > 0 {
		free.share = float64(st.Bavail) / float64(st.Blocks)
	}
	return free, nil
}
