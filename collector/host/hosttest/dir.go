package hosttest

import (
	"os"
	"testing"
)

// Dir returns a folder that is there until the test ends, in memory if that is to be had: to make thousands of small
// files on a disk takes longer than what the tests do with them.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "chronoops-test-") //nolint:usetesting // in memory
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
