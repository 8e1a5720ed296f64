package redis_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chronoops/chronoops/tools/parts"
	"github.com/chronoops/chronoops/tools/stack"
)

// session sends commands on one connection and fails on the first error reply.
func session(t testing.TB, addr string, commands ...string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, command := range commands {
		fmt.Fprintf(conn, "%s\r\n", command)
		line, err := r.ReadString('\n')
		if err != nil || strings.HasPrefix(line, "-") {
			t.Fatalf("%s: %s %v", command, line, err)
		}
	}
}

// since reports whether the server is of that version or later, or compatible with it.
func since(t testing.TB, r *stack.Redis, major int) bool {
	t.Helper()
	_, rest, _ := strings.Cut(do(t, r.Addr, "INFO server"), "redis_version:")
	digits, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n >= major
}

// variant tells apart what is expected of the server that the tests run: "" for the one that the project supports first,
// else such as "-redis8".
func variant() string {
	name := os.Getenv(parts.RedisVar)
	if name == "" {
		return ""
	}
	return "-" + filepath.Base(name)
}
