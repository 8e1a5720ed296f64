package host

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"
)

// netDevice is what is known of a network device, whether from netlink or from sysfs.
type netDevice struct {
	name    string
	numbers [netNumbers]int64
	known   [netNumbers]bool

	address, broadcast, duplex, operstate, alias string
}

func (d *netDevice) set(known bool, n netNumber, value int64) {
	d.numbers[n], d.known[n] = value, known
}

// readNetDevice reads all attributes of a device from sysfs. The kernel refuses those that make no sense for a device
// or in its state. It reports false for what is no device, or none any more.
func (s *sources) readNetDevice(name string) (*netDevice, bool) {
	d := &netDevice{name: name}
	dir := s.sysPath("class/net", name)
	found := false
	for n := range netNumbers {
		err := s.readNetNumber(d, dir, n)
		if errors.Is(err, unix.ENOTDIR) { // bonding_masters
			return nil, false
		}
		found = found || err == nil
	}
	for _, a := range []struct {
		file string
		to   *string
	}{
		{"address", &d.address},
		{"broadcast", &d.broadcast},
		{"duplex", &d.duplex},
		{"ifalias", &d.alias},
		{"operstate", &d.operstate},
	} {
		err := s.readNetText(a.to, dir, a.file)
		found = found || err == nil
	}
	return d, found
}

func (s *sources) readNetNumber(d *netDevice, dir string, n netNumber) error {
	b, err := s.attributeBytes(dir + "/" + netAttributes[n].file)
	var value int64
	if err == nil {
		value, err = parseAttribute(b)
	}
	d.set(err == nil, n, value)
	return err
}

// readNetText keeps the string if it is still the same.
func (s *sources) readNetText(to *string, dir, file string) error {
	b, err := s.attributeBytes(dir + "/" + file)
	if err != nil {
		*to = ""
		return err
	}
	setText(to, b)
	return nil
}

// setText allocates only if the text is another one.
func setText(to *string, b []byte) {
	if *to != string(b) {
		*to = string(b)
	}
}

// parseAttribute reads a decimal or, after 0x, a hexadecimal number.
func parseAttribute(b []byte) (int64, error) {
	hex, ok := bytes.CutPrefix(b, []byte("0x"))
	if !ok {
		return parseInt(b)
	}
	n, err := parseHex(hex)
	if err == nil && n > 1<<63-1 {
		err = errors.New("number too large")
	}
	return int64(n), err
}
