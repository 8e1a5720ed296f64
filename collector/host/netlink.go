package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	netlinkTimeout = 2 * time.Second // for each part of an answer; the kernel has it ready at once
	netlinkBuffer  = 32 << 10        // the kernel makes no larger parts
	netlinkTries   = 3               // to read a list that changes
)

// errChanged is for a list that changed while the kernel wrote it.
var errChanged = errors.New("the list changed meanwhile")

// netlink asks the kernel for lists over a socket that is kept open (netlink(7)).
type netlink struct {
	protocol int // unix.NETLINK_*
	f        *os.File
	seq      uint32
	request  []byte
	buf      []byte

	failed time.Time // when it was last of no use
	told   bool      // that it was
}

// list asks for a list: a request of type typ with the given body. It calls begin, then each for the items, and both
// again if the list changed meanwhile; a list that never holds still is taken as it is.
func (n *netlink) list(typ uint16, body []byte, begin func(), each func(item []byte) error) error {
	for try := 1; ; try++ {
		begin()
		err := n.ask(typ, body, each)
		switch {
		case err == nil, errors.Is(err, errChanged) && try == netlinkTries:
			return nil
		case !errors.Is(err, errChanged):
			n.close() // and with it what is left of the answer
			return fmt.Errorf("netlink: %w", err)
		}
	}
}

func (n *netlink) ask(typ uint16, body []byte, each func(item []byte) error) error {
	if err := n.open(); err != nil {
		return err
	}
	n.seq++
	n.request = appendNetlink(n.request[:0], typ, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, n.seq, body)
	if _, err := n.f.Write(n.request); err != nil { // repeated by os after a signal, as is Read
		return err
	}
	changed := false
	for {
		size, err := n.f.Read(n.buf)
		if err != nil {
			return err
		}
		part, err := parseNetlink(n.buf[:size], n.seq, each)
		if err != nil {
			return err
		}
		changed = changed || part.changed
		if part.last && changed {
			return errChanged
		} else if part.last {
			return nil
		}
	}
}

func (n *netlink) open() error {
	if n.f != nil {
		return nil
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, n.protocol)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), "netlink")
	timeout := unix.NsecToTimeval(int64(netlinkTimeout))
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout),
		unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}), // only the kernel is heard
	)
	if err != nil {
		f.Close()
		return fmt.Errorf("set up socket: %w", err)
	}
	n.attach(f)
	return nil
}

func (n *netlink) attach(f *os.File) {
	n.f = f
	if n.buf == nil {
		n.buf = make([]byte, netlinkBuffer)
	}
}

func (n *netlink) close() {
	if n.f != nil {
		n.f.Close()
		n.f = nil
	}
}

// netlink returns a socket that is kept open between collections; it is opened when first used.
func (s *sources) netlink(protocol int) *netlink {
	n := &netlink{protocol: protocol}
	s.sockets = append(s.sockets, n)
	return n
}

// listNetlink is netlink.list. It reports false if that failed, which may be for lack of permission, and for a minute
// after it.
func (s *sources) listNetlink(n *netlink, typ uint16, body []byte, begin func(), each func(item []byte) error) bool {
	if s.recent(n.failed) {
		return false
	}
	err := n.list(typ, body, begin, each)
	if err == nil {
		n.failed, n.told = time.Time{}, false
		return true
	}
	n.failed = s.now()
	if !n.told {
		n.told = true
		s.o.Logger.Warn("Cannot ask the kernel through netlink; reading files instead", "err", err)
	}
	return false
}

// netlinkPart is what a datagram says about the list that it is part of.
type netlinkPart struct{ last, changed bool }

// parseNetlink calls each for the items in a datagram that answer request seq.
func parseNetlink(b []byte, seq uint32, each func(item []byte) error) (part netlinkPart, err error) {
	for len(b) > 0 {
		if len(b) < unix.SizeofNlMsghdr {
			return part, fmt.Errorf("%d bytes are no message", len(b))
		}
		order := binary.NativeEndian
		size, typ, flags := order.Uint32(b), order.Uint16(b[4:]), order.Uint16(b[6:])
		if size < unix.SizeofNlMsghdr || uint64(size) > uint64(len(b)) {
			return part, fmt.Errorf("message of %d bytes in %d", size, len(b))
		}
		body, ours := b[unix.SizeofNlMsghdr:size], order.Uint32(b[8:]) == seq
		b = b[min(alignNetlink(int(size)), len(b)):]
		if !ours {
			continue // of an earlier request
		}
		part.changed = part.changed || flags&unix.NLM_F_DUMP_INTR != 0
		switch typ {
		case unix.NLMSG_NOOP:
		case unix.NLMSG_DONE:
			part.last = true
			return part, netlinkError(body)
		case unix.NLMSG_ERROR:
			part.last = true
			if err := netlinkError(body); err != nil {
				return part, err
			}
			return part, errors.New("an acknowledgement in place of a list")
		case unix.NLMSG_OVERRUN:
			return part, errors.New("overrun")
		default:
			if err := each(body); err != nil {
				return part, err
			}
		}
	}
	return part, nil
}

// netlinkError returns the error that ends a list, nil for none.
func netlinkError(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	if code := int32(binary.NativeEndian.Uint32(body)); code < 0 {
		return unix.Errno(-int64(code))
	}
	return nil
}

// appendNetlink appends one message.
func appendNetlink(b []byte, typ, flags uint16, seq uint32, body []byte) []byte {
	order := binary.NativeEndian
	b = order.AppendUint32(b, uint32(unix.SizeofNlMsghdr+len(body)))
	b = order.AppendUint16(b, typ)
	b = order.AppendUint16(b, flags)
	b = order.AppendUint32(b, seq)
	b = order.AppendUint32(b, 0) // port: the kernel knows
	b = append(b, body...)
	return append(b, make([]byte, alignNetlink(len(body))-len(body))...)
}

// appendNetlinkAttr appends an attribute.
func appendNetlinkAttr(b []byte, typ uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, value...)
	return append(b, make([]byte, alignNetlink(len(value))-len(value))...)
}

// netlinkAttrs calls yield for each attribute.
func netlinkAttrs(b []byte, yield func(typ uint16, value []byte)) error {
	for len(b) > 0 {
		if len(b) < unix.SizeofNlAttr {
			return fmt.Errorf("%d bytes are no attribute", len(b))
		}
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofNlAttr || size > len(b) {
			return fmt.Errorf("attribute of %d bytes in %d", size, len(b))
		}
		yield(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofNlAttr:size])
		b = b[min(alignNetlink(size), len(b)):]
	}
	return nil
}

// alignNetlink rounds up to the boundary on which messages and attributes begin.
func alignNetlink(n int) int { return (n + 3) &^ 3 }
