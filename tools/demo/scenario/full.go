package scenario

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// full: old logs fill the area that chronoops may clean.
func full(s *script) {
	s.title("3. The disk area fills up")
	s.breaks(func() (string, error) {
		n, err := s.area.fill()
		return fmt.Sprintf("%d old logs of 1 MiB in %s, whose budget is 16 MiB", n, s.area.dir), err
	})
	i := s.fires(subject{diskLow, "mountpoint", s.area.dir})
	s.repaired(i, "files.clean")
	s.resolves(i, "repair")
	s.await("what is open or no log is still there", func() error {
		var errs []error
		for _, name := range []string{openLog, keptFile} {
			_, err := os.Stat(filepath.Join(s.area.dir, name))
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	s.reached(i)
}
