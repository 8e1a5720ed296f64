package intake

import (
	"fmt"
	"os"
	"path/filepath"
)

// maxRejected is how much of a rejected body is kept, in bytes.
const maxRejected = 64 << 10

// RejectedDir keeps the last rejected body of each code as a file, so that there are never more than a handful.
type RejectedDir string

// Keep implements Rejected.
func (d RejectedDir) Keep(code string, body []byte) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("create folder of rejected messages: %w", err)
	}
	if err := os.WriteFile(filepath.Join(string(d), code+".json"), body[:min(len(body), maxRejected)], 0o600); err != nil {
		return fmt.Errorf("keep rejected message: %w", err)
	}
	return nil
}
