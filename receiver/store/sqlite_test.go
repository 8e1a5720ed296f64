package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/store"
	"github.com/chronoops/chronoops/receiver/store/storetest"
)

const childDir = "CHRONOOPS_TEST_STORE"

// TestMain becomes a second process that writes to a store until it is killed, when a test asks for one.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Println(child(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func child(dir string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Dir: dir, Clock: storetest.NewClock()})
	if err != nil {
		return err
	}
	for {
		err := db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.InsertIncident(receiver.Incident{GroupKey: rand(), Due: tx.Now(), Opened: tx.Now(), Updated: tx.Now()})
			return err
		})
		if err != nil {
			return err
		}
		fmt.Println("committed")
	}
}

var serial int

func rand() string { serial++; return strconv.Itoa(serial) }

func open(t testing.TB, dir string) (*store.DB, error) {
	t.Helper()
	return store.Open(t.Context(), store.Options{Dir: dir, Clock: storetest.NewClock()})
}

func mustOpen(t testing.TB, dir string) *store.DB {
	t.Helper()
	db, err := open(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestSQLite(t *testing.T) {
	root := t.TempDir()
	storetest.Run(t, func(ctx context.Context, name string, clock receiver.Clock) (*store.DB, error) {
		return store.Open(ctx, store.Options{Dir: filepath.Join(root, name), Clock: clock})
	})
}

func TestPathsWithSpecialCharacters(t *testing.T) {
	for _, name := range []string{"a?mode=memory", "100%", "a#b", "a b", "数据", "x%3fy", ":memory:", "file:x"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := mustOpen(t, dir).Close(); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(filepath.Join(dir, "chronoops.db")); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, no file of its own", name, err)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode of the folder is %v", name, info.Mode())
		}
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	for version, want := range map[string]string{
		"99": "store has schema 99, this chronoops knows", "": "schema version", "two": "schema version", "-1": "which no chronoops has written", "0": "which no chronoops has written",
	} {
		dir := t.TempDir()
		if err := mustOpen(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		raw, err := sql.Open("sqlite", filepath.Join(dir, "chronoops.db"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = raw.ExecContext(t.Context(), `UPDATE meta SET value = ? WHERE key = 'schema'`, version)
		if err := errors.Join(err, raw.Close()); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(filepath.Join(dir, "chronoops.db"))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the refusal must also have released the lock
			if _, err := open(t, dir); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("schema %q: %v, want %q", version, err, want)
			}
		}
		if after, err := os.ReadFile(filepath.Join(dir, "chronoops.db")); err != nil || string(after) != string(before) {
			t.Errorf("schema %q: a refused store was changed (%v)", version, err)
		}
	}
}

func TestForeignFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "chronoops.db"), []byte(strings.Repeat("not a database\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir); err == nil {
		t.Error("a text file was opened as a store")
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, dir)
	if _, err := open(t, dir); err == nil || !strings.Contains(err.Error(), "in use by another chronoops") {
		t.Errorf("second open: %v", err)
	}
	if err := db.Update(t.Context(), func(*store.Tx) error { return nil }); err != nil {
		t.Errorf("the first one suffers: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, dir).Close(); err != nil {
		t.Error(err)
	}
}

// A second process is refused; once the first was killed in the middle of its writing, the store opens and has every
// incident that was committed.
func TestSecondProcessAndKill(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	committed := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() != "committed" {
			t.Fatalf("child: %s", lines.Text())
		}
		if committed++; committed == 20 {
			if _, err := open(t, dir); err == nil || !strings.Contains(err.Error(), "in use by another chronoops") {
				t.Errorf("second process: %v", err)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	db := mustOpen(t, dir)
	defer db.Close()
	err = db.View(t.Context(), func(tx *store.Tx) error {
		list, err := tx.Incidents(false, 1<<30)
		// One more may be committed and not yet told.
		if len(list) != committed && len(list) != committed+1 {
			t.Errorf("%d incidents after the kill, %d were committed", len(list), committed)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
