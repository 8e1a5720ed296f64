package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// state is what a tailer keeps over a restart.
type state struct {
	Version int       `json:"version"`
	Path    string    `json:"path"`
	Saved   time.Time `json:"saved"`
	Files   []mark    `json:"files"`
}

const (
	stateVersion  = 1
	maxStateBytes = 64 << 10
)

// loadState returns the zero state if there is none, or one of another log or a later version.
func loadState(file, path string) (state, error) {
	if file == "" {
		return state{}, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	if len(b) > maxStateBytes {
		return state{}, fmt.Errorf("%s is larger than %d bytes", file, maxStateBytes)
	}
	var st state
	if err := json.Unmarshal(b, &st); err != nil {
		return state{}, fmt.Errorf("read %s: %w", file, err)
	}
	if st.Version != stateVersion || st.Path != path {
		return state{}, nil
	}
	if n := len(st.Files) - maxMarks; n > 0 {
		st.Files = st.Files[n:]
	}
	return st, nil
}

// saveIfDue writes the state when a position changed, and at times when none did.
func (t *tailer) saveIfDue() error {
	if t.state == "" {
		return nil
	}
	files, err := json.Marshal(t.allMarks())
	if err != nil {
		return err
	}
	if string(files) == t.written && t.now().Sub(t.saved) < saveEvery {
		return nil
	}
	return t.save()
}

// save replaces the state file as a whole. It is not synced: after a power cut it may be an older one or empty, which costs a
// start at the end.
func (t *tailer) save() error {
	if t.state == "" {
		return nil
	}
	st := state{Version: stateVersion, Path: t.path, Saved: t.now(), Files: t.allMarks()}
	b, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("keep access-log position: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(t.state), 0o700); err != nil {
		return fmt.Errorf("keep access-log position: %w", err)
	}
	tmp := t.state + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep access-log position: %w", err)
	}
	if err := os.Rename(tmp, t.state); err != nil {
		return fmt.Errorf("keep access-log position: %w", err)
	}
	files, err := json.Marshal(st.Files)
	if err != nil {
		return err
	}
	t.saved, t.written = st.Saved, string(files)
	return nil
}

// allMarks lists closed files first, so that the newest are kept.
func (t *tailer) allMarks() []mark {
	marks := append([]mark{}, t.marks...)
	for _, fo := range t.old {
		marks = append(marks, fo.mark)
	}
	if t.cur != nil {
		marks = append(marks, t.cur.mark)
	}
	return marks
}
