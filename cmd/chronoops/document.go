package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// document is the text of a configuration file, kept to say where a fault stands.
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
		for text := range strings.Lines(p.text) {
			lines = append(lines, where+": "+strings.TrimSpace(text))
		}
	}
	return strings.Join(lines, "\n")
}

// decode reads the text strictly: unknown and doubled keys are faults.
func (d *document) decode(text []byte, into any) error {
	nodes, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		return d.fault(err)
	}
	d.root = &yaml.Node{}
	if err := nodes.Load(d.root); errors.Is(err, io.EOF) {
		d.root = nil
		return nil // an empty file is an empty configuration
	} else if err != nil {
		return d.fault(err)
	}
	if err := yaml.Load(text, into, yaml.WithKnownFields()); err != nil {
		return d.fault(err)
	}
	return nil
}

// fault turns the decoder's errors into ours, with the words of an operator.
func (d *document) fault(err error) error {
	e := &configError{file: d.file}
	if load, ok := errors.AsType[*yaml.LoadErrors](err); ok {
		for _, one := range load.Errors {
			e.problems = append(e.problems, d.flatten(one)...)
		}
	} else if one, ok := errors.AsType[*yaml.LoadError](err); ok {
		e.problems = append(e.problems, d.flatten(one)...)
	} else {
		e.problems = append(e.problems, problem{text: d.plainWords(err.Error(), 0)})
	}
	return e
}

// flatten follows errors of nested decoding to the innermost line that is known.
func (d *document) flatten(err *yaml.LoadError) []problem {
	var nested *yaml.LoadErrors
	if inner := errors.Unwrap(err); inner != nil && errors.As(inner, &nested) {
		var out []problem
		for _, one := range nested.Errors {
			out = append(out, d.flatten(one)...)
		}
		return out
	}
	return []problem{{line: err.Mark.Line, text: d.plainWords(err.Message, err.Mark.Line)}}
}

var (
	unknownField = regexp.MustCompile(`^field (\S+) not found in type \S+`)
	// What the duration's own parser says, without an example.
	foreignDuration = regexp.MustCompile(`^(not a valid duration|empty duration|unknown unit|missing unit|duration out of range)`)
	wrongKind       = regexp.MustCompile("(?s)^cannot construct !!(\\w+)(?: `.*`)? into (\\S+)")
)

// plainWords says what the decoder says without Go's words, and without the value: it may be a secret.
func (d *document) plainWords(text string, line int) string {
	text = strings.TrimPrefix(text, "yaml: ")
	if m := unknownField.FindStringSubmatch(text); m != nil {
		return d.unknownKey(m[1], line)
	}
	if m := wrongKind.FindStringSubmatch(text); m != nil {
		return wrongKindWords(m[1], m[2])
	}
	switch {
	case strings.HasPrefix(text, "expected single document"):
		return "the file holds more than one document: remove what follows the line ---"
	case text == "found character that cannot start any token":
		return text + ": indent with spaces, not with tabs, and quote what begins with @, ` or %"
	case foreignDuration.MatchString(text):
		return text + ": write it as 30s, 10m, 1h30m or 7d"
	}
	return text
}

func (d *document) unknownKey(key string, line int) string {
	out := fmt.Sprintf("unknown key %q", key)
	if d.root == nil {
		return out
	}
	keys := keysBeside(d.root, reflect.TypeFor[config](), key, line)
	if near := nearest(key, keys); near != "" {
		return out + fmt.Sprintf(": did you mean %q?", near)
	}
	if len(keys) > 0 {
		return out + ": want one of " + strings.Join(keys, ", ")
	}
	return out
}

// wrongKindWords names what stands there and, as far as Go's type tells, what should.
func wrongKindWords(got, goType string) string {
	given, ok := map[string]string{
		"seq": "a list", "map": "a map of keys", "str": "a text", "int": "a number", "float": "a number", "bool": "true or false", "timestamp": "a date",
	}[got]
	if !ok {
		given = "this"
	}
	wanted := ""
	switch base := strings.TrimLeft(goType, "*"); {
	case strings.HasPrefix(base, "[]"):
		wanted = "a list, such as [a, b] or lines that begin with -"
	case strings.HasPrefix(base, "map["):
		wanted = "a map of keys"
	case strings.HasPrefix(base, "int"), strings.HasPrefix(base, "uint"):
		wanted = "a whole number"
	case strings.HasPrefix(base, "float"):
		wanted = "a number"
	case base == "bool":
		wanted = "true or false"
	case base == "string", got == "map": // a map fits every struct
		wanted = "one text or number"
	case got != "seq": // a list fits no struct, and no text either
		wanted = "a map of keys"
	}
	if wanted == "" {
		return given + " does not fit here"
	}
	return given + " does not fit here: want " + wanted
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

// has tells whether the text has a key at its top.
func (d *document) has(key string) bool { return d.root != nil && lineOf(d.root, []any{key}) > 0 }

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
	nodes, err := yaml.NewLoader(bytes.NewReader(text))
	if err == nil {
		err = nodes.Load(&c)
	}
	if err != nil && !errors.Is(err, io.EOF) { // an empty file asks for nothing
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
