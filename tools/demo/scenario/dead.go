package scenario

import "fmt"

// dead: the API's process dies, and a command starts another.
func dead(s *script) {
	s.title("2. The API's process dies")
	before := 0
	s.breaks(func() (string, error) {
		var err error
		before, err = s.apis.kill(s.ctx, shop)
		return fmt.Sprintf("kill -9 %d: %s is gone, nginx answers 502", before, shop), err
	})
	i := s.fires(subject{apiDown, "job", "chronoops"})
	s.repaired(i, "command")
	s.resolves(i, "repair")
	s.await("another process answers", func() error {
		if pid := s.apis.pid(shop); pid == 0 || pid == before {
			return fmt.Errorf("%s is process %d, and was %d", shop, pid, before)
		}
		return nil
	})
	s.reached(i) // P1 waits for a repair that runs: nobody was woken
}
