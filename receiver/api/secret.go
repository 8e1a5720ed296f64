package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// minSecret is the shortest secret that is taken, in bytes: it may start repairs, so it must not be guessed.
const minSecret = 16

// maxSecret bounds what is read of a file, in bytes.
const maxSecret = 4 << 10

func checkSecret(s, what string) error {
	if s != "" && len(s) < minSecret {
		return fmt.Errorf("%s: the secret is shorter than %d characters and could be guessed: make one with `openssl rand -hex 32`", what, minSecret)
	}
	return nil
}

// secret is a configured value, or a file that is read at every use: a rotated or removed file counts at once.
type secret struct{ value, file string }

func (s secret) read() (string, error) {
	if s.file == "" {
		return s.value, nil
	}
	return ReadToken(s.file)
}

// matches compares in a time that does not depend on the secret.
func (s secret) matches(presented string) (bool, error) {
	want, err := s.read()
	if err != nil {
		return false, err
	}
	a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(presented))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1, nil
}

// ReadToken reads the secret in a file, without the white space around it.
func ReadToken(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret))
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("token file %s is empty: write a secret into it, made by `openssl rand -hex 32`", name)
	}
	return token, checkSecret(token, "token file "+name)
}

// OperatorFile is the generated operator token in a storage folder.
func OperatorFile(dir string) string { return filepath.Join(dir, "operator.token") }

// EnsureOperatorToken makes the operator token in a storage folder unless there is one, and returns its file. The folder
// must be locked against other processes.
func EnsureOperatorToken(dir string) (string, error) {
	name := OperatorFile(dir)
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o002 != 0 {
		return "", fmt.Errorf("storage folder %s can be written by everybody, who could put a token of their own there: run `chmod 700` on it", dir)
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("operator token %s can be read by others (mode %04o): run `chmod 600` on it, or remove it to have a new one made", name, info.Mode().Perm())
	case err == nil:
		_, err = ReadToken(name)
		return name, err
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("look for the operator token: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("create storage folder: %w", err)
	}
	random := make([]byte, 32)
	rand.Read(random) // never fails: the program ends instead
	// Written aside and renamed: a crash must not leave half a token behind.
	f, err := os.CreateTemp(dir, ".operator.token.*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("create operator token: %w", err)
	}
	_, err = f.WriteString(base64.RawURLEncoding.EncodeToString(random) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return "", fmt.Errorf("write operator token: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return name, nil
}
