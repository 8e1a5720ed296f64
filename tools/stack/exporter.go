package stack

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/tools/parts"
)

// ExporterOptions say which exporter is started, and how.
type ExporterOptions struct {
	Name    string // for messages
	Program parts.Program
	Args    []string // @PORT@ stands for the port of 127.0.0.1 to listen on, @DIR@ for the server's folder
	Env     []string
	Files   map[string]string // by name, written to the folder
	Ready   string            // the path that answers 200 once it serves; empty: /
}

// Exporter is a running exporter, or chronoops as one.
type Exporter struct {
	*Server
	URL  string // http://127.0.0.1:PORT
	Addr string
	Dir  string // the working folder
}

// StartExporter starts an exporter on a free port.
func StartExporter(ctx context.Context, o ExporterOptions) (*Exporter, error) {
	var dir string
	s, port, err := onPort(0, func(port int) (*Server, error) {
		var cleanup func()
		var err error
		if dir, cleanup, err = TempDir("exporter"); err != nil {
			return nil, err
		}
		for name, text := range o.Files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				cleanup()
				return nil, err
			}
		}
		fill := strings.NewReplacer("@PORT@", strconv.Itoa(port), "@DIR@", dir)
		args := make([]string, len(o.Args))
		for i, a := range o.Args {
			args[i] = fill.Replace(a)
		}
		ready := o.Ready
		if ready == "" {
			ready = "/"
		}
		return Start(ctx, Command{
			Name: o.Name, Path: o.Program.Path, Args: args, Env: slices.Concat(o.Program.Env, o.Env), Dir: dir,
			Ready: HTTPReady("http://" + address(port) + ready), cleanup: cleanup,
		})
	})
	if err != nil {
		return nil, err
	}
	addr := address(port)
	return &Exporter{Server: s, URL: "http://" + addr, Addr: addr, Dir: dir}, nil
}
