package hosttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// tree writes files below a folder. After an error it does nothing more.
type tree struct {
	dir  string
	made map[string]bool
	err  error
}

// file writes a file and the folders on the way to it.
func (t *tree) file(path, content string) {
	if t.err != nil {
		return
	}
	t.folder(filepath.Dir(path))
	if t.err == nil {
		t.err = os.WriteFile(filepath.Join(t.dir, path), []byte(content), 0o644)
	}
}

func (t *tree) folder(path string) {
	if t.err != nil || t.made[path] {
		return
	}
	t.made[path] = true
	t.err = os.MkdirAll(filepath.Join(t.dir, path), 0o755)
}

// attrs writes a file for each line of text: its name, a space, and its content, in which | stands for a new line.
func (t *tree) attrs(dir, text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, " ")
		t.file(dir+"/"+name, strings.ReplaceAll(value, "|", "\n")+"\n")
	}
}

// link makes path a symbolic link to another path of the tree, relative as those of sysfs are.
func (t *tree) link(path, to string) {
	if t.err != nil {
		return
	}
	t.folder(filepath.Dir(path))
	if t.err != nil {
		return
	}
	target, err := filepath.Rel(filepath.Dir(path), to)
	if err == nil {
		err = os.Symlink(target, filepath.Join(t.dir, path))
	}
	t.err = err
}

// device makes a device known by its class, as /sys/class/CLASS/NAME, and links it to what it is part of.
func (t *tree) device(class, path, parent string) {
	t.folder(path)
	t.link("sys/class/"+class+"/"+filepath.Base(path), path)
	t.link(path+"/subsystem", "sys/class/"+class)
	if parent != "" {
		t.folder(parent)
		t.link(path+"/device", parent)
	}
}

// counted returns a line for each name with a number that differs from line to line; one in five is zero, as many of a
// kernel's counters are.
func counted(names, format string) string {
	var b strings.Builder
	for i, name := range strings.Fields(names) {
		fmt.Fprintf(&b, format, name, spread(i))
	}
	return b.String()
}

// spread returns numbers that look like counters.
func spread(i int) int {
	if i%5 == 4 {
		return 0
	}
	return (i*i*7919 + i*104729 + 17) % 9_999_991
}

func join(format, separator string, n int, arg func(i int) int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, arg(i))
	}
	return strings.Join(parts, separator)
}
