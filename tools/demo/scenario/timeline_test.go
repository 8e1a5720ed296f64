package scenario

import (
	"regexp"
	"strings"
	"testing"
)

func TestTimeline(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		color bool
		want  string
	}{
		{"plain", false, `^\nA part\n   0\.\ds  chronoops     a label with  \[31mcolor\n         chronoops     and a second line, which is as long as it likes to be\n$`},
		{"terminal", true, "^\n\x1b\\[1mA part\x1b\\[0m\n   0\\.\\ds  \x1b\\[36mchronoops   \x1b\\[0m  a label with  \\[31mcolor\n[^\n]*\x1b\\[0m  and a second line, which i…\n$"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			timeline := NewTimeline(&out, tc.color, 50)
			timeline.Title("A part")
			timeline.Say(Chronoops, "a label with \x1b[31mcolor\nand a second line, which is as long as it likes to be")
			if !regexp.MustCompile(tc.want).MatchString(out.String()) {
				t.Errorf("%q does not match %q", out.String(), tc.want)
			}
		})
	}
}
