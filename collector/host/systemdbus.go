package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	godbus "github.com/godbus/dbus/v5"
)

const (
	busCalls   = 64 // calls sent before the first is answered; buses bound how many a client may have
	systemdBus = "org.freedesktop.systemd1"
	managerAt  = godbus.ObjectPath("/org/freedesktop/systemd1")
)

// systemBus is a connection to systemd.
type systemBus struct {
	conn *godbus.Conn
	end  context.CancelFunc // closes conn, whatever it waits for
}

// connectSystemd connects over the system bus, or if this is root and there is no bus, to systemd itself.
func connectSystemd(ctx context.Context, root string) (*systemBus, error) {
	bus, err := dialBus(ctx, busAddress(root), true)
	if err != nil && os.Geteuid() == 0 && ctx.Err() == nil {
		private, privateErr := dialBus(ctx, socketAddress(root, "/run/systemd/private"), false)
		if privateErr == nil {
			return private, nil
		}
		err = errors.Join(err, privateErr)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to systemd: %w", err)
	}
	return bus, nil
}

// busAddress is where the system bus of the host listens whose root is mounted at root.
func busAddress(root string) string {
	if filepath.Clean(root) == "/" {
		if address := os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"); address != "" {
			return address
		}
	}
	return socketAddress(root, "/run/dbus/system_bus_socket")
}

func socketAddress(root, socket string) string {
	path, err := inRoot(root, socket)
	if err != nil {
		path = filepath.Join(root, socket) // connecting says what is wrong
	}
	return "unix:path=" + godbus.EscapeBusAddressValue(path)
}

// dialBus connects and authenticates. systemd's own socket knows no Hello, which tells a bus to give out a name.
func dialBus(ctx context.Context, address string, hello bool) (*systemBus, error) {
	life, end := context.WithCancel(context.Background())
	conn, err := godbus.Dial(address, godbus.WithContext(life))
	if err != nil {
		end()
		return nil, err
	}
	bus := &systemBus{conn, end}
	stop := context.AfterFunc(ctx, end) // authentication knows no context
	err = conn.Auth([]godbus.Auth{godbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	if err == nil && hello {
		err = conn.Hello()
	}
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		bus.close()
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return bus, nil
}

func (b *systemBus) close() {
	b.end()
	b.conn.Close()
}

// busCall is a method call and what is done with its answer. An error that the other side gave comes to answer, which
// may take it for no failure.
type busCall struct {
	path   godbus.ObjectPath
	method string
	args   []any
	answer func(body []any, err error) error
}

// property returns the call that asks for a property.
func property(path godbus.ObjectPath, iface, name string, answer func(value any, err error) error) busCall {
	return busCall{path, "org.freedesktop.DBus.Properties.Get", []any{iface, name}, func(body []any, err error) error {
		if err == nil && len(body) == 1 {
			if v, ok := body[0].(godbus.Variant); ok {
				return answer(v.Value(), nil)
			}
		}
		if err == nil {
			err = errors.New("the answer is no property")
		}
		return answer(nil, err)
	}}
}

// call makes the calls, many at a time, in their order. An error ends it.
func (b *systemBus) call(ctx context.Context, calls []busCall) error {
	sent := make([]*godbus.Call, 0, len(calls))
	for i := range calls {
		for len(sent) < len(calls) && len(sent) < i+busCalls {
			c := calls[len(sent)]
			sent = append(sent, b.conn.Object(systemdBus, c.path).GoWithContext(ctx, c.method, 0, make(chan *godbus.Call, 1), c.args...))
		}
		done := <-sent[i].Done
		if refused := (godbus.Error{}); done.Err != nil && !errors.As(done.Err, &refused) {
			return done.Err
		}
		if err := calls[i].answer(done.Body, done.Err); err != nil {
			return err
		}
	}
	return nil
}
