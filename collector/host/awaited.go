package host

import "context"

// awaited is closed once something is done that may take any time.
type awaited chan struct{}

// before reports whether it was done before ctx ended; if both are so, it was.
func (a awaited) before(ctx context.Context) bool {
	select {
	case <-a:
		return true
	default:
	}
	select {
	case <-a:
		return true
	case <-ctx.Done():
		return false
	}
}
