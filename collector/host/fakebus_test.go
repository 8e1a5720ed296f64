package host

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	godbus "github.com/godbus/dbus/v5"
)

// fakeBus speaks D-Bus as a bus with systemd on it, at the place where it is looked for below root.
type fakeBus struct {
	t        *testing.T
	root     string
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	silent string // what is not answered: a line of the handshake, or a method
	answer func(call fakeCall) (body []any, errorName string)
	calls  []fakeCall
	conns  []net.Conn
	seen   int // connections so far
}

type fakeCall struct {
	path, method string // the method with its interface
	args         []any
}

func newFakeBus(t *testing.T) *fakeBus {
	t.Helper()
	root, err := os.MkdirTemp("", "bus") //nolint:usetesting // t.TempDir's names are too long for a socket's address
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	b := &fakeBus{t: t, root: root}
	b.listen()
	t.Cleanup(b.stop)
	return b
}

func (b *fakeBus) listen() {
	b.t.Helper()
	path := filepath.Join(b.root, "run/dbus/system_bus_socket")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.listener = l
	b.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns = append(b.conns, conn)
			b.seen++
			b.mu.Unlock()
			b.wg.Go(func() {
				defer conn.Close()
				if err := b.serve(conn); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					b.t.Logf("bus: %v", err)
				}
			})
		}
	})
}

// stop ends the bus with its connections.
func (b *fakeBus) stop() {
	b.listener.Close()
	b.mu.Lock()
	for _, c := range b.conns {
		c.Close()
	}
	b.conns = nil
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *fakeBus) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// connections returns how many there have been.
func (b *fakeBus) connections() (n int) {
	b.set(func() { n = b.seen })
	return n
}

func (b *fakeBus) serve(conn net.Conn) error {
	in := bufio.NewReader(conn)
	if _, err := in.ReadByte(); err != nil {
		return err
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimSpace(line)
		b.mu.Lock()
		silent := b.silent == line
		b.mu.Unlock()
		if silent {
			_, err := io.Copy(io.Discard, in)
			return err
		}
		reply := "ERROR\r\n"
		switch line {
		case "AUTH":
			reply = "REJECTED EXTERNAL\r\n"
		case "AUTH EXTERNAL":
			reply = "OK 0123456789abcdef0123456789abcdef\r\n"
		case "BEGIN":
			return b.talk(conn, in)
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return err
		}
	}
}

func (b *fakeBus) talk(conn net.Conn, in io.Reader) error {
	for {
		msg, err := godbus.DecodeMessage(in)
		if err != nil {
			return err
		}
		header := func(f godbus.HeaderField) string {
			switch v := msg.Headers[f].Value().(type) {
			case string:
				return v
			case godbus.ObjectPath:
				return string(v)
			default:
				return ""
			}
		}
		call := fakeCall{header(godbus.FieldPath), header(godbus.FieldInterface) + "." + header(godbus.FieldMember), msg.Body}
		var body []any
		errorName := ""
		b.mu.Lock()
		b.calls = append(b.calls, call)
		silent := b.silent == call.method
		switch {
		case silent:
		case call.method == "org.freedesktop.DBus.Hello":
			body = []any{":1.7"}
		default:
			body, errorName = b.answer(call)
		}
		b.mu.Unlock()
		if silent {
			continue
		}
		reply := &godbus.Message{Type: godbus.TypeMethodReply, Headers: map[godbus.HeaderField]godbus.Variant{
			godbus.FieldReplySerial: godbus.MakeVariant(msg.Serial()),
		}, Body: body}
		if errorName != "" {
			reply.Type = godbus.TypeError
			reply.Headers[godbus.FieldErrorName] = godbus.MakeVariant(errorName)
		}
		if len(body) > 0 {
			reply.Headers[godbus.FieldSignature] = godbus.MakeVariant(godbus.SignatureOf(body...))
		}
		if err := reply.EncodeTo(conn, binary.LittleEndian); err != nil {
			return err
		}
	}
}
