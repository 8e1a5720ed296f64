package scenario

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// person uses the command line.
type person struct {
	world   *world
	program string
}

// does runs chronoops with these words and shows both sides.
func (p *person) does(ctx context.Context, words ...string) error {
	p.world.o.Timeline.Say(People, "$ chronoops "+strings.Join(words, " "))
	args := append(slices.Clip(words), "--url="+p.world.url, "--storage.path="+p.world.path("state"), "--by=ada")
	out, err := exec.CommandContext(ctx, p.program, args...).CombinedOutput()
	p.world.o.Timeline.Say(People, strings.TrimSpace(string(out)))
	if err != nil {
		return fmt.Errorf("chronoops %s: %w\n%s", strings.Join(words, " "), err, out)
	}
	return nil
}
