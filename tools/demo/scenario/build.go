package scenario

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const module = "github.com/chronoops/chronoops"

// build puts the demo's programs into its folder.
func (w *world) build(ctx context.Context) error {
	w.bin = w.path("bin")
	if err := os.Mkdir(w.bin, 0o755); err != nil {
		return err
	}
	packages := []string{module + "/tools/demo/api"}
	if w.o.Chronoops == "" {
		packages = append(packages, module+"/cmd/chronoops")
	} else if path, err := filepath.Abs(w.o.Chronoops); err == nil {
		w.o.Chronoops = path
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-buildvcs=false", "-o", w.bin + "/"}, packages...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	// Whatever the umask: what others may write is not run by chronoops.
	return os.Chmod(filepath.Join(w.bin, "api"), 0o755)
}

// program is chronoops.
func (w *world) program() string {
	if w.o.Chronoops != "" {
		return w.o.Chronoops
	}
	return filepath.Join(w.bin, "chronoops")
}

func newToken() string { return rand.Text() + rand.Text() }
