package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// follow is a tailer that keeps its lines, with a clock that the test moves.
type follow struct {
	*tailer
	t     *testing.T
	dir   string
	lines []string
	clock time.Time
}

// newFollow follows dir/log, with its state in dir/state.json.
func newFollow(t *testing.T, dir string) *follow {
	t.Helper()
	f := &follow{t: t, dir: dir, clock: time.Date(2025, 10, 25, 18, 0, 0, 0, time.UTC)}
	f.tailer = newTailer(f.path("log"), f.path("state.json"), slog.New(slog.DiscardHandler), func(line []byte, whole bool) {
		text := string(line)
		if !whole {
			text = "too long: " + text[:10]
		}
		f.lines = append(f.lines, text)
	})
	f.now = func() time.Time { return f.clock }
	return f
}

func (f *follow) path(name string) string { return filepath.Join(f.dir, name) }

func (f *follow) append(name, text string) {
	f.t.Helper()
	w, err := os.OpenFile(f.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		f.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.t.Fatal(err)
	}
}

func (f *follow) do(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// want drains and compares the lines read since the last call.
func (f *follow) want(lines ...string) {
	f.t.Helper()
	for more := true; more; {
		var err error
		if more, err = f.drain(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
	if !slices.Equal(f.lines, lines) {
		f.t.Fatalf("got lines %q, want %q", f.lines, lines)
	}
	f.lines = nil
}

// restart stops the tailer, cleanly or as by kill -9, and returns another one on the same files.
func (f *follow) restart(clean bool, away time.Duration) *follow {
	f.t.Helper()
	if clean {
		f.do(f.stop())
	} else {
		f.cur.f.Close()
	}
	next := newFollow(f.t, f.dir)
	next.clock = f.clock.Add(away)
	return next
}

func TestTailerStartsAtTheEnd(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "old\nhalf")
	f.want()
	f.append("log", " of a line\nnew\n")
	f.want("new")
}

func TestTailerReadsANewFileFromItsBeginning(t *testing.T) {
	f := newFollow(t, t.TempDir())
	if _, err := f.drain(t.Context()); err == nil {
		t.Error("a missing file is no error")
	}
	f.append("log", "a\nb\n")
	f.want("a", "b")
}

func TestTailerJoinsPartialLines(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	for _, part := range []string{"a", "b", "c\nd", "\n", "\n"} {
		f.append("log", part)
		if _, err := f.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	f.want("abc", "d", "")
}

func TestTailerDropsTheRestOfAHugeLine(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	f.append("log", "a\n"+strings.Repeat("x", 10*maxLine))
	f.want("a", "too long: xxxxxxxxxx")
	f.append("log", strings.Repeat("x", maxLine)+"\nb\n")
	f.want("b")
	f.append("log", strings.Repeat("y", maxLine)+"\n"+strings.Repeat("z", maxLine+1)+"\nc\n")
	f.want(strings.Repeat("y", maxLine), "too long: zzzzzzzzzz", "c")
	if n := cap(f.cur.partial); n > 2*maxLine {
		t.Errorf("%d bytes are kept", n)
	}
}

func TestTailerFollowsRenaming(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	f.append("log", "a\n")
	f.do(os.Rename(f.path("log"), f.path("log.1")))
	f.append("log.1", "b\n") // the writer has not reopened yet
	f.want("a", "b")
	f.append("log", "c\n")
	f.append("log.1", "d\n")
	f.want("d", "c")
	f.append("log.1", "e\n") // and still has not
	f.append("log", "f\n")
	f.want("e", "f")
	f.append("log.1", "unfinished")
	f.want()
	f.clock = f.clock.Add(oldGrace + time.Second)
	f.append("log", "g\n")
	f.want("g", "unfinished")
	if len(f.old) != 0 {
		t.Error("the rotated file is still open")
	}
}

func TestTailerFollowsQuickRotations(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	for i := range 20 {
		line := string(rune('a' + i))
		f.append("log", line+"\n")
		f.want(line)
		f.do(os.Rename(f.path("log"), f.path("log."+line)))
		f.append("log", "")
	}
	f.want()
	if n := len(f.old); n > maxOld {
		t.Errorf("%d rotated files are open", n)
	}
	if n := len(f.allMarks()); n > maxMarks+maxOld+1 {
		t.Errorf("%d positions are kept", n)
	}
}

func TestTailerFollowsCopyTruncate(t *testing.T) {
	for name, next := range map[string]string{"shorter": "c\n", "longer": strings.Repeat("c", 3*headBytes) + "\n"} {
		t.Run(name, func(t *testing.T) {
			f := newFollow(t, t.TempDir())
			f.append("log", "")
			f.want()
			f.append("log", "first\nsecond\n")
			f.want("first", "second")
			f.do(os.Truncate(f.path("log"), 0))
			f.append("log", next)
			f.want(strings.TrimSpace(next))
			f.append("log", "d\n")
			f.want("d")
		})
	}
}

func TestTailerFollowsRecreation(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	f.append("log", "a\n")
	f.do(os.Remove(f.path("log"))) // deleted before it was read to its end
	f.want("a")
	f.append("log", "b\n")
	f.want("b")
}

func TestTailerLetsGoOfADeletedFile(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	f.do(os.Remove(f.path("log")))
	f.want()
	f.clock = f.clock.Add(2 * oldGrace)
	f.want()
	if f.cur != nil || len(f.old) != 0 {
		t.Error("the deleted file is still open and keeps its space")
	}
	f.append("log", "a\n")
	f.want("a")
}

func TestTailerFollowsASymlink(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("monday", "old\n")
	f.do(os.Symlink("monday", f.path("log")))
	f.want()
	f.append("monday", "a\n")
	f.append("tuesday", "b\n")
	f.do(os.Symlink("tuesday", f.path("new")))
	f.do(os.Rename(f.path("new"), f.path("log")))
	f.want("a", "b")
	f.clock = f.clock.Add(2 * oldGrace)
	f.append("tuesday", "c\n")
	f.want("c")
	f.append("monday", "d\n")
	f.do(os.Symlink("monday", f.path("new"))) // and back, once monday was closed
	f.do(os.Rename(f.path("new"), f.path("log")))
	f.want("d")
}

func TestTailerGoesOnAfterARestart(t *testing.T) {
	for name, clean := range map[string]bool{"clean": true, "killed": false} {
		t.Run(name, func(t *testing.T) {
			f := newFollow(t, t.TempDir())
			f.append("log", "")
			f.want()
			f.append("log", "a\nb")
			f.want("a")
			f = f.restart(clean, time.Minute)
			f.append("log", "c\nd\n")
			f.want("bc", "d")
		})
	}
}

func TestTailerGoesOnInTheRotatedFile(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	f.append("log", "a\n")
	f.want("a")
	f = f.restart(true, time.Minute)
	f.append("log", "b\n")
	f.do(os.Rename(f.path("log"), f.path("log-20251025")))
	f.append("log", "c\n")
	f.append("log-20251025.gz", "a\nb\n")
	f.want("b", "c")
	f = f.restart(true, time.Minute)
	f.append("log", "d\n")
	f.want("d")
}

func TestTailerAfterARestartOnATruncatedFile(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	f.append("log", "a\n")
	f.want("a")
	f = f.restart(true, time.Minute)
	f.do(os.WriteFile(f.path("log"), []byte("x\ny\n"), 0o600)) // same inode, other text
	f.want("x", "y")
}

func TestTailerPassesOverWhatIsTooOld(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	f.append("log", "a\n")
	f.want("a")
	f = f.restart(true, maxBacklog+time.Minute)
	f.append("log", "outage\n")
	f.want()
	if f.skipped != int64(len("outage\n")) {
		t.Errorf("%d bytes are counted as passed over", f.skipped)
	}
	f.append("log", "b\n")
	f.want("b")
	f.clock = f.clock.Add(time.Hour) // nothing is written, yet somebody reads
	f.want()
	f = f.restart(false, time.Minute)
	f.append("log", "c\n")
	f.want("c")
}

func TestTailerSurvivesADamagedState(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "cut": `{"version":1,"pa`, "other version": `{"version":99,"path":"PATH","saved":"2025-10-25T18:00:00Z"}`,
		"other log":       `{"version":1,"path":"/x","saved":"2025-10-25T18:00:00Z"}`,
		"impossible":      `{"version":1,"path":"PATH","saved":"2025-10-25T18:00:00Z","files":[{"offset":-5,"head_bytes":-1},{"offset":9000000000000000000}]}`,
		"large":           strings.Repeat("x", maxStateBytes+1),
		"from the future": `{"version":1,"path":"PATH","saved":"2035-10-25T18:00:00Z"}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFollow(t, t.TempDir())
			f.do(os.WriteFile(f.path("state.json"), []byte(strings.ReplaceAll(text, "PATH", f.path("log"))), 0o600))
			f.append("log", "a\n")
			if _, err := f.drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.lines = nil
			f.append("log", "b\n")
			f.want("b")
		})
	}
}

func TestTailerRefusesWhatIsNoFile(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.do(os.Mkdir(f.path("log"), 0o700))
	if _, err := f.drain(t.Context()); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("directory: %v", err)
	}
	f.do(os.Remove(f.path("log")))
	f.do(syscall.Mkfifo(f.path("log"), 0o600)) // opening it must not wait for a writer
	if _, err := f.drain(t.Context()); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("pipe: %v", err)
	}
}

func TestTailerStopsReadingAtTheDeadline(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	f.do(os.WriteFile(f.path("log"), bytes.Repeat([]byte("line\n"), 100_000), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	inner := f.line
	f.line = func(line []byte, whole bool) {
		if n++; n == 10 {
			cancel()
		}
		inner(line, whole)
	}
	if more, err := f.drain(ctx); err != nil || !more {
		t.Fatalf("more %v, %v", more, err)
	}
	if len(f.lines) >= 100_000 || f.lag() == 0 {
		t.Errorf("%d lines were read, lag %d", len(f.lines), f.lag())
	}
	for more := true; more; {
		var err error
		if more, err = f.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.lines) != 100_000 || f.lag() != 0 {
		t.Errorf("%d lines were read, lag %d", len(f.lines), f.lag())
	}
}

func TestTailerRunKeepsThePosition(t *testing.T) {
	f := newFollow(t, t.TempDir())
	f.append("log", "")
	f.want()
	f.append("log", "a\n")
	read := make(chan struct{}, 1)
	f.line = func([]byte, bool) { read <- struct{}{} }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	<-read
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	next := newFollow(t, f.dir)
	next.append("log", "b\n")
	next.want("b")
}

func TestTailerReportsChangesOnce(t *testing.T) {
	var out strings.Builder
	f := newFollow(t, t.TempDir())
	f.log = slog.New(slog.NewTextHandler(&out, nil))
	for range 5 {
		_, err := f.drain(t.Context())
		f.report(err)
	}
	f.append("log", "")
	for range 5 {
		_, err := f.drain(t.Context())
		f.report(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 2 || strings.Count(out.String(), "level=WARN") != 1 {
		t.Errorf("want a warning and its end:\n%s", out.String())
	}
}

// FuzzFollower compares what comes out, over chunks of any size, with splitting the whole.
func FuzzFollower(f *testing.F) {
	f.Add([]byte("a\nbb\n\nccc"), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, chunk uint8) {
		var got [][]byte
		fo := &follower{}
		for part := range slices.Chunk(data, int(chunk)+1) {
			fo.take(part, func(line []byte, whole bool) {
				if whole {
					got = append(got, bytes.Clone(line))
				}
			})
		}
		want := bytes.Split(data, []byte{'\n'})
		want = want[:len(want)-1]
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("got %q, want %q", got, want)
		}
		if fo.pos != int64(len(data)) || fo.mark.Offset+int64(len(fo.partial)) != fo.pos {
			t.Errorf("pos %d, offset %d, %d bytes pending of %d", fo.pos, fo.mark.Offset, len(fo.partial), len(data))
		}
	})
}
