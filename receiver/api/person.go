package api

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Person is who acts: the token is proven, By is what the caller says.
type Person struct{ Token, By string }

// Name is how timelines call the person: what the caller says, with the token that proves it in parentheses, as in
// "bob (token operator)".
func (p Person) Name() string {
	if p.By == "" || p.By == p.Token {
		return p.Token
	}
	return fmt.Sprintf("%s (token %s)", p.By, p.Token)
}

const maxName = 64 // characters

// CheckName refuses names that could pass for something else in a timeline.
func CheckName(name string) error {
	if utf8.RuneCountInString(name) > maxName {
		return fmt.Errorf("is longer than %d characters", maxName)
	}
	for _, r := range name {
		if !unicode.In(r, unicode.Letter, unicode.Digit, unicode.Mark) && !strings.ContainsRune(" ._@+-\\", r) {
			return fmt.Errorf("%q has the character %q: use letters, digits, spaces and . _ @ + - \\", name, r)
		}
	}
	if strings.TrimSpace(name) != name {
		return fmt.Errorf("%q begins or ends with a space", name)
	}
	return nil
}
