package hosttest

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// digest maps each path below dir to what stands there.
func digest(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			found[rel] = "folder"
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("a link that leads nowhere: %v", err)
			}
			found[rel] = "-> " + target
		default:
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found[rel] = fmt.Sprintf("%x", sha256.Sum256(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSameFilesEachTime(t *testing.T) {
	one, two := Dir(t), Dir(t)
	for _, dir := range []string{one, two} {
		if _, err := Large(dir, Size{CPUs: 8, Disks: 30, Interfaces: 12, Mounts: 30}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(digest(t, one), digest(t, two)); diff != "" {
		t.Errorf("written twice:\n%s", diff)
	}
}

func TestRefusesOddSizes(t *testing.T) {
	for _, cpus := range []int{0, -4, 6} {
		if _, err := Large(Dir(t), Size{CPUs: cpus}); err == nil {
			t.Errorf("%d CPUs were accepted", cpus)
		}
	}
}
