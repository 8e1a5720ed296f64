package api_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/receiver/api"
)

func TestEnsureOperatorToken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	file, err := api.EnsureOperatorToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	if file != filepath.Join(dir, "operator.token") || file != api.OperatorFile(dir) {
		t.Errorf("file is %s", file)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %04o, want 0600", info.Mode().Perm())
	}
	token, err := api.ReadToken(file)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := base64.RawURLEncoding.DecodeString(token); err != nil || len(b) != 32 {
		t.Errorf("token %q is not 32 bytes: %v", token, err)
	}
	if _, err := api.EnsureOperatorToken(dir); err != nil {
		t.Fatal(err)
	}
	again, err := api.ReadToken(file)
	if err != nil || again != token {
		t.Errorf("the token was replaced: %v", err)
	}
	other, err := api.EnsureOperatorToken(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if second, err := api.ReadToken(other); err != nil || second == token {
		t.Errorf("two tokens are alike: %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}

	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := api.EnsureOperatorToken(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a token that others can read is taken: %v", err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := api.EnsureOperatorToken(dir); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("an empty token is taken: %v", err)
	}
}

// Whoever may write into the folder can put a token of their own there.
func TestOperatorTokenWantsAFolderOfItsOwn(t *testing.T) {
	for _, mode := range []os.FileMode{0o777, os.ModeSticky | 0o777} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := api.EnsureOperatorToken(dir); err == nil || !strings.Contains(err.Error(), "chmod") {
			t.Errorf("a folder of mode %v is taken: %v", mode, err)
		}
	}
}

func TestCheckListener(t *testing.T) {
	named := api.Credentials{Sources: []api.SourceConfig{{Name: "prod", TokenFile: "/run/secrets/webhook"}}}
	open := api.Credentials{Sources: []api.SourceConfig{{Name: "prod", TokenFile: "/run/secrets/webhook"}, {Name: "test", Path: "/hooks/test"}}}
	for name, c := range map[string]struct {
		l     api.Listener
		words []string // none means accepted
	}{
		"nothing armed, no source":         {api.Listener{}, nil},
		"nothing armed, open source":       {api.Listener{Credentials: open}, nil},
		"armed, all with a credential":     {api.Listener{Armed: true, Contacts: 3, Credentials: named}, nil},
		"armed, client certificates":       {api.Listener{Armed: true, ClientCerts: true, Credentials: open}, nil},
		"armed, no source":                 {api.Listener{Armed: true}, []string{"a policy may act", "add a source to receiver.sources", "token_file", "http_config"}},
		"contacts, no source":              {api.Listener{Contacts: 1}, []string{"people can be paged", "add a source"}},
		"armed, one open source":           {api.Listener{Armed: true, Credentials: open}, []string{"source test sends alerts without a credential", "token_file"}},
		"contacts, one open source":        {api.Listener{Contacts: 1, Credentials: open}, []string{"people can be paged", "source test"}},
		"basic auth of the whole listener": {api.Listener{BasicAuth: true, Credentials: named}, []string{"basic_auth_users", "--receiver.listen-address"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := api.CheckListener(c.l)
			if (err == nil) != (c.words == nil) {
				t.Fatalf("got %v", err)
			}
			for _, words := range c.words {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%q does not say %q", err, words)
				}
			}
			if err != nil && strings.Contains(err.Error(), "source prod sends") {
				t.Errorf("a source with a credential is blamed: %v", err)
			}
		})
	}
}
