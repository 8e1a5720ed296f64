package api_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/chronoops/chronoops/receiver/api"
)

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, 运维工程师 ü": "plain text, 运维工程师 ü",
		"a\x1b[31mb":          `a\x1b[31mb`,
		"a\nb\tc\rd":          `a\nb\tc\rd`,
		"\u202eabc\u2066":     `\u202eabc\u2066`,
		"\u009b2J":            `\u009b2J`,
		"\xff":                `\xff`,
		"\U000e0041":          `\U000e0041`,
		"\x7f":                `\x7f`,
	} {
		if got := api.Visible(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := api.Visible(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Errorf("%q shows as %q", s, got)
		}
		if api.Visible(got) != got {
			t.Errorf("%q is not stable", got)
		}
	})
}
