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

// report is a reply of INFO cut into its sections, so that each part reads only what it is about.
type report []section

type section struct{ name, lines string }

// cut leaves the lines in front of the first section in one without a name.
func cut(info string) report {
	r := make(report, 0, 24)
	at := section{lines: info}
	for i := 0; i < len(info); {
		rest := info[i:]
		end := strings.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		if rest[0] == '#' {
			at.lines = at.lines[:len(at.lines)-len(rest)]
			r = append(r, at)
			at = section{name: strings.TrimSpace(rest[1:end]), lines: rest[end:]}
		}
		i += end
	}
	return append(r, at)
}

// scan walks over the section's lines.
func (s section) scan() scanner { return scanner{rest: s.lines, section: s.name} }

// each calls line for every line of the sections with the name.
func (r report) each(name string, line func(key, value string)) {
	for _, sec := range r {
		if sec.name != name {
			continue
		}
		for s := sec.scan(); s.next(); {
			line(s.key, s.value)
		}
	}
}

// tallies reports whether a section counts by name instead of telling about the server.
func (s section) tallies() bool {
	switch s.name {
	case "Commandstats", "Errorstats", "Latencystats", "Keyspace":
		return true
	default:
		return false
	}
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
