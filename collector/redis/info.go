package redis

import "strings"

// scanner walks over the reply of INFO in place. Its strings are parts of the reply: whoever keeps one keeps the reply.
type scanner struct {
	rest                string
	section, key, value string
}

// next goes on to the next "key:value" line and reports whether there is one.
func (s *scanner) next() bool {
	for s.rest != "" {
		var line string
		line, s.rest, _ = strings.Cut(s.rest, "\n")
		line = strings.TrimSuffix(line, "\r")
		if name, ok := strings.CutPrefix(line, "#"); ok {
			s.section = strings.TrimSpace(name)
			continue
		}
		var ok bool
		if s.key, s.value, ok = strings.Cut(line, ":"); ok && s.key != "" {
			return true
		}
	}
	return false
}

// pairs walks over a value of the form "calls=21,usec=175".
type pairs struct {
	rest       string
	key, value string
}

func (p *pairs) next() bool {
	for p.rest != "" {
		var one string
		one, p.rest, _ = strings.Cut(p.rest, ",")
		var ok bool
		if p.key, p.value, ok = strings.Cut(one, "="); ok && p.key != "" {
			return true
		}
	}
	return false
}
