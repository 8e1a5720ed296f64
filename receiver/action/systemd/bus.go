package systemd

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"github.com/chronoops/chronoops/receiver/action"
)

// bus is a Conn over the system bus.
type bus struct {
	conn *dbus.Conn
	end  context.CancelFunc // of the context that the library ties the connection to
}

// connectBus connects to systemd over the system bus.
func connectBus(ctx context.Context) (Conn, error) {
	type dialled struct {
		conn *dbus.Conn
		err  error
	}
	// Authentication and the first calls of the library do not look at a context, so they get a goroutine; and as it closes
	// the connection when the context it was given ends, it gets one that lives as long as the connection.
	done := make(chan dialled, 1)
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		conn, err := dbus.NewSystemConnectionContext(life)
		done <- dialled{conn, err}
	}()
	select {
	case d := <-done:
		if d.err != nil {
			end()
			return nil, fmt.Errorf("connect to systemd over the system bus: %w: is dbus running?", d.err)
		}
		return &bus{d.conn, end}, nil
	case <-ctx.Done():
		end()
		go func() {
			if d := <-done; d.err == nil {
				d.conn.Close()
			}
		}()
		return nil, fmt.Errorf("connect to systemd over the system bus: %w", context.Cause(ctx))
	}
}

// Close implements Conn.
func (b *bus) Close() {
	b.conn.Close()
	b.end()
}

// Properties implements Conn.
func (b *bus) Properties(ctx context.Context, unit string) (map[string]any, error) {
	return b.conn.GetAllPropertiesContext(ctx, unit)
}

// Job implements Conn. Mode "fail": a job that a person or a shutdown has queued is never replaced.
func (b *bus) Job(ctx context.Context, verb, unit string) (string, error) {
	const mode = "fail"
	enqueue := map[string]func(context.Context, string, string, chan<- string) (int, error){
		"restart": b.conn.RestartUnitContext, "start": b.conn.StartUnitContext, "stop": b.conn.StopUnitContext,
	}[verb]
	result := make(chan string, 1)
	_, err := enqueue(ctx, unit, mode, result)
	if refused := (godbus.Error{}); errors.As(err, &refused) && refused.Name != "org.freedesktop.DBus.Error.NoReply" {
		return "", fmt.Errorf("%w: %w%s", action.ErrNotApplied, err, hint(refused.Name))
	}
	if err != nil {
		return "", err
	}
	select {
	case r := <-result:
		return r, nil
	case <-ctx.Done():
		return "", fmt.Errorf("wait for the job: %w", context.Cause(ctx))
	}
}

func hint(name string) string {
	switch name {
	case "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired":
		return ": add a polkit rule for org.freedesktop.systemd1.manage-units"
	case "org.freedesktop.systemd1.TransactionIsDestructive", "org.freedesktop.systemd1.TransactionJobsConflicting":
		return ": another job for the unit is queued"
	}
	return ""
}
