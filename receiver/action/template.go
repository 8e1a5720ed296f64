package action

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"
)

// maxLabel bounds a label value that becomes part of an argument, in bytes.
const maxLabel = 4096

// labelTemplate is the one template construct that is allowed.
var labelTemplate = regexp.MustCompile(`\{\{-?\s*\.Labels\.([a-zA-Z_][a-zA-Z0-9_]*)\s*-?\}\}`)

// fill executes the templates in list; with nil labels it only checks that each one uses guarded labels alone.
func fill(list []string, patterns, labels map[string]string) ([]string, error) {
	guards, err := compileGuards(patterns)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(list)
	for i, text := range list {
		names, err := labelsUsed(text)
		if err != nil {
			return nil, err
		}
		if len(names) == 0 {
			continue
		}
		if i == 0 {
			return nil, fmt.Errorf("the first element %q may not be a template", text)
		}
		for _, name := range names {
			re, ok := guards[name]
			if !ok {
				return nil, fmt.Errorf("label %q has no pattern: add it to `patterns`", name)
			}
			if labels == nil {
				continue
			}
			if err := checkLabel(name, labels[name], re); err != nil {
				return nil, err
			}
		}
		if labels == nil {
			continue
		}
		out[i] = labelTemplate.ReplaceAllStringFunc(text, func(m string) string {
			return labels[labelTemplate.FindStringSubmatch(m)[1]]
		})
		if strings.Contains(out[i], "..") && !strings.Contains(text, "..") {
			return nil, fmt.Errorf("%q filled in contains '..'", text)
		}
	}
	return out, nil
}

// MatchTemplate returns nil if value is text itself, or text with labels filled in that Resolve would accept.
func MatchTemplate(text string, patterns map[string]string, value string) error {
	if text == value {
		return nil
	}
	names, err := labelsUsed(text)
	if err != nil {
		return err
	}
	mismatch := fmt.Errorf("%q is not %q", value, text)
	if len(names) == 0 {
		return mismatch
	}
	guards, err := compileGuards(patterns)
	if err != nil {
		return err
	}
	var whole strings.Builder
	last := 0
	for i, at := range labelTemplate.FindAllStringIndex(text, -1) {
		if guards[names[i]] == nil {
			return fmt.Errorf("label %q has no pattern: add it to `patterns`", names[i])
		}
		pattern := `(?s:.+)` // with one label there is one way to split; checkLabel judges the value
		if len(names) > 1 {
			pattern = strings.TrimSuffix(strings.TrimPrefix(patterns[names[i]], "^"), "$")
		}
		fmt.Fprintf(&whole, "%s(?P<label%d>%s)", regexp.QuoteMeta(text[last:at[0]]), i, pattern)
		last = at[1]
	}
	whole.WriteString(regexp.QuoteMeta(text[last:]))
	re, err := compileWhole(whole.String())
	if err != nil {
		return fmt.Errorf("template %q: %w", text, err)
	}
	groups := re.FindStringSubmatch(value)
	if groups == nil || strings.Contains(value, "..") && !strings.Contains(text, "..") {
		return mismatch
	}
	seen := make(map[string]string, len(names))
	for i, name := range names {
		v := groups[re.SubexpIndex(fmt.Sprintf("label%d", i))]
		if err := checkLabel(name, v, guards[name]); err != nil {
			return err
		}
		if old, ok := seen[name]; ok && old != v {
			return mismatch
		}
		seen[name] = v
	}
	return nil
}

// checkLabel refuses what could change the meaning of an argument, whatever the pattern allows.
func checkLabel(name, v string, pattern *regexp.Regexp) error {
	switch {
	case v == "":
		return fmt.Errorf("label %q is missing or empty", name)
	case len(v) > maxLabel:
		return fmt.Errorf("label %q is longer than %d bytes", name, maxLabel)
	case strings.HasPrefix(v, "-"):
		return fmt.Errorf("label %q begins with '-'", name)
	case strings.Contains(v, ".."):
		return fmt.Errorf("label %q contains '..'", name)
	case !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl):
		return fmt.Errorf("label %q contains a control character or is not UTF-8", name)
	case !pattern.MatchString(v):
		return fmt.Errorf("label %q does not match its pattern %s", name, pattern)
	}
	return nil
}

func compileGuards(patterns map[string]string) (map[string]*regexp.Regexp, error) {
	guards := make(map[string]*regexp.Regexp, len(patterns))
	for name, pattern := range patterns {
		re, err := compileWhole(pattern)
		if err != nil {
			return nil, fmt.Errorf("pattern of label %q: %w", name, err)
		}
		guards[name] = re
	}
	return guards, nil
}

// compileWhole compiles pattern so that it must match all of a value; a pattern that is only valid together with the
// anchors, such as "a)|(b", is refused.
func compileWhole(pattern string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile("^(?:" + pattern + ")$")
}

// labelsUsed returns the labels a template names, in order, and refuses every other template construct.
func labelsUsed(text string) ([]string, error) {
	if !strings.Contains(text, "{{") {
		return nil, nil
	}
	if _, err := template.New("argument").Parse(text); err != nil {
		return nil, fmt.Errorf("template %q: %w", text, err)
	}
	var names []string
	for _, m := range labelTemplate.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	if rest := labelTemplate.ReplaceAllString(text, ""); strings.Contains(rest, "{{") {
		return nil, fmt.Errorf("template %q: only {{ .Labels.name }} is allowed", text)
	}
	return names, nil
}
