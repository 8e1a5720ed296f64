package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// program identifies an executable file.
type program struct {
	Path  string `json:"path"` // without symlinks
	Dev   uint64 `json:"dev"`
	Ino   uint64 `json:"ino"`
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // nanoseconds since 1970
}

// inspect looks at the program that argv names and refuses one that others could have changed.
func inspect(argv []string) (program, error) {
	path, err := filepath.EvalSymlinks(argv[0])
	if err != nil {
		return program{}, fmt.Errorf("find the program: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return program{}, fmt.Errorf("find the program: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	mode := info.Mode()
	switch {
	case !ok || !mode.IsRegular():
		return program{}, fmt.Errorf("%s is not a regular file", path)
	case mode&0o111 == 0:
		return program{}, fmt.Errorf("%s is not executable: chmod +x it", path)
	case mode&0o022 != 0:
		return program{}, fmt.Errorf("%s can be written by its group or by others (mode %04o): chmod go-w it", path, mode.Perm())
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return program{}, fmt.Errorf("%s belongs to user %d: it must belong to root or to the user that chronoops runs as", path, st.Uid)
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return program{}, fmt.Errorf("look at the program's directory: %w", err)
		}
		if info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return program{}, fmt.Errorf("%s could be replaced by anyone, as everyone may write to %s: chmod o-w it", path, dir)
		}
		if dir == "/" {
			break
		}
	}
	if err := checkInterpreter(append([]string{path}, argv[1:]...)); err != nil {
		return program{}, err
	}
	return program{path, uint64(st.Dev), st.Ino, info.Size(), info.ModTime().UnixNano()}, nil //nolint:unconvert // Dev has 32 bits on some architectures
}

// Programs that run code, and the options with which that code is an argument. An option matched by valued has one more.
var (
	shells          = regexp.MustCompile(`^(sh|ash|bash|csh|dash|fish|ksh|mksh|rbash|tcsh|zsh)$`)
	shellCode       = regexp.MustCompile(`^(-[a-zA-Z]*c[a-zA-Z]*|--command(=.*)?)$`)
	interpreters    = regexp.MustCompile(`^(python|perl|ruby|node|php|lua|awk|gawk|mawk|tclsh)[0-9.]*$`)
	interpreterCode = regexp.MustCompile(`^(-[a-zA-Z]*[ceErp]|--(eval|print|run)(=.*)?)$`)
	valued          = regexp.MustCompile(`^[-+][oO]$`)
	launchers       = regexp.MustCompile(`^(busybox|doas|env|pkexec|runuser|su|sudo|toybox|xargs)$`)
)

// checkInterpreter refuses argv if an argument would be interpreted as code, or if a label would name a program.
func checkInterpreter(argv []string) error {
	if len(argv) == 0 {
		return nil
	}
	if launchers.MatchString(filepath.Base(argv[0])) {
		return fmt.Errorf("%s only starts another program: name that one", argv[0])
	}
	for i, arg := range argv {
		name, code := filepath.Base(arg), shellCode
		if interpreters.MatchString(name) {
			code = interpreterCode
		} else if !shells.MatchString(name) {
			continue
		}
		for j := i + 1; j < len(argv); j++ {
			if code.MatchString(argv[j]) {
				return fmt.Errorf("%s with %s runs a text as code: put it into an executable file and name that", name, argv[j])
			}
			if valued.MatchString(argv[j]) {
				j++
				continue
			}
			if !strings.HasPrefix(argv[j], "-") {
				if strings.Contains(argv[j], "{{") {
					return errors.New("the script of an interpreter may not come from a label")
				}
				break
			}
		}
	}
	return nil
}
