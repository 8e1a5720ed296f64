package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// document is the text of a configuration file, kept to say where a fault stands. It is the only place that knows the
// YAML library.
type document struct {
	file string
	root *yaml.Node
}

// problem is one fault of the configuration: where, and what to do about it.
type problem struct {
	path []any // keys and indexes from the root; empty for the whole file
	line int   // from the decoder; 0 when only the path is known
	text string
}

// configError lists every fault that was found.
type configError struct {
	file     string
	problems []problem
}

// Error writes one line a fault: file:line: text.
func (e *configError) Error() string {
	lines := make([]string, 0, len(e.problems))
	for _, p := range e.problems {
		where := e.file
		if where == "" {
			where = "environment"
		}
		if p.line > 0 {
			where = fmt.Sprintf("%s:%d", where, p.line)
		}
		lines = append(lines, where+": "+p.text)
	}
	return strings.Join(lines, "\n")
}

// decode reads the text strictly: unknown and doubled keys are faults.
func (d *document) decode(text []byte, into any) error {
	if empty(text) {
		return nil // which is a configuration: the host, and what the environment names
	}
	d.root = &yaml.Node{}
	if err := yaml.Load(text, d.root); err != nil {
		return d.fault(err)
	}
	if err := yaml.Load(text, into, yaml.WithKnownFields()); err != nil {
		return d.fault(err)
	}
	return nil
}

// empty reports whether a file holds nothing but comments.
func empty(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && string(line) != "---" {
			return false
		}
	}
	return true
}

var (
	unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)
	wrongShape   = regexp.MustCompile("^cannot construct !!(\\w+)(?: `(.*)`)? into (\\S+)$")
)

// fault turns the decoder's errors into ours, with the words of an operator.
func (d *document) fault(err error) error {
	e := &configError{file: d.file}
	var load *yaml.LoadErrors
	if errors.As(err, &load) {
		for _, one := range load.Errors {
			e.problems = append(e.problems, flatten(one)...)
		}
	} else if one, ok := errors.AsType[*yaml.LoadError](err); ok {
		e.problems = append(e.problems, flatten(one)...)
	} else {
		e.problems = append(e.problems, problem{text: plainWords(err.Error())})
	}
	return e
}

// flatten follows errors of nested decoding to the innermost line that is known.
func flatten(err *yaml.LoadError) []problem {
	var nested *yaml.LoadErrors
	if inner := errors.Unwrap(err); inner != nil && errors.As(inner, &nested) {
		var out []problem
		for _, one := range nested.Errors {
			out = append(out, flatten(one)...)
		}
		return out
	}
	return []problem{{line: err.Mark.Line, text: plainWords(err.Message)}}
}

func plainWords(text string) string {
	text = strings.TrimPrefix(text, "yaml: ")
	if m := wrongShape.FindStringSubmatch(text); m != nil {
		return shapeInWords(m[1], m[2], m[3])
	}
	m := unknownField.FindStringSubmatch(text)
	if m == nil {
		if strings.Contains(text, "cannot start any token") {
			text += ": indent with spaces, not with tabs, and put a value that begins with @, ` or % into quotes"
		}
		return text
	}
	out := fmt.Sprintf("unknown key %q", m[1])
	if near := nearest(m[1], configKeys()); near != "" {
		out += fmt.Sprintf(": did you mean %q?", near)
	}
	return out
}

// shapeInWords says what is written and what is wanted, without the names of Go's types.
func shapeInWords(is, value, want string) string {
	words := map[string]string{"map": "a mapping", "seq": "a list", "null": "nothing", "str": "a text", "int": "a number", "float": "a number", "bool": "true or false"}
	written, ok := words[is]
	if !ok {
		written = "a " + is
	}
	if value != "" {
		written = fmt.Sprintf("%q", value)
	}
	wanted := "a mapping of keys to values, such as `name: value`"
	switch kind := strings.TrimLeft(want, "*"); {
	case strings.HasPrefix(kind, "[]"):
		wanted = "a list: begin each entry with `- `"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"), strings.HasPrefix(kind, "float"):
		wanted = "a number"
	case kind == "bool":
		wanted = "true or false"
	case kind == "string":
		wanted = "a text: put it into quotes"
	}
	return fmt.Sprintf("%s stands here; wanted is %s", written, wanted)
}

// report turns problems found after decoding into an error with lines.
func (d *document) report(problems []problem) error {
	if len(problems) == 0 {
		return nil
	}
	for i := range problems {
		if problems[i].line == 0 && d.root != nil {
			problems[i].line = lineOf(d.root, problems[i].path)
		}
	}
	slices.SortStableFunc(problems, func(a, b problem) int { return a.line - b.line })
	return &configError{file: d.file, problems: problems}
}

// lineOf follows a path as far as the document goes.
func lineOf(n *yaml.Node, path []any) int {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	line := 0
	for _, step := range path {
		var next *yaml.Node
		switch key := step.(type) {
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == key {
					next, line = n.Content[i+1], n.Content[i].Line
				}
			}
		case int:
			if n.Kind == yaml.SequenceNode && key < len(n.Content) {
				next, line = n.Content[key], n.Content[key].Line
			}
		}
		if next == nil {
			return line
		}
		n = next
	}
	return line
}

// webConfigAuth reads from a --web.config.file whether it asks every request for HTTP Basic or for a client certificate.
func webConfigAuth(file string) (basic, certificates bool, err error) {
	if file == "" {
		return false, false, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return false, false, fmt.Errorf("read web configuration: %w", err)
	}
	var c struct {
		Users map[string]string `yaml:"basic_auth_users"`
		TLS   struct {
			ClientAuth string `yaml:"client_auth_type"`
		} `yaml:"tls_server_config"`
	}
	if err := yaml.Load(text, &c); err != nil {
		return false, false, fmt.Errorf("read web configuration %s: %w", file, err)
	}
	return len(c.Users) > 0, c.TLS.ClientAuth == "RequireAndVerifyClientCert", nil
}

// redacted writes the configuration in force without secrets.
func (c *config) redacted() ([]byte, error) {
	text, err := yaml.Dump(c)
	if err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return text, nil
}
