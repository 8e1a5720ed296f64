package host

import (
	"bytes"
	"errors"
	"os"
	"slices"

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

// netKept are numbers that a device keeps as long as it is the same.
var netKept = []netNumber{netDevID, netIfIndex, netNameAssignType, netType}

// netFolder is where a device's attributes are: the folder fd, or below it.
type netFolder struct {
	fd     int
	prefix string
}

// netFiles reads network devices from sysfs alone.
type netFiles struct {
	kept devices[netDevice] // numbers of netKept and the broadcast address
}

// read returns all attributes of a device. The kernel refuses those that make no sense for a device or in its state. It
// reports false for what is no device, such as bonding_masters, or none any more.
func (f *netFiles) read(s *sources, name string) (*netDevice, bool) {
	path := s.sysPath("class/net", name)
	d, err := f.kept.get(s, path, s.readNetKept)
	if err != nil {
		return nil, false
	}
	fd, err := open(path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, false
	}
	defer unix.Close(fd)
	dir := netFolder{fd: fd}
	d.name = name
	found := false
	for n := range netNumbers {
		if !slices.Contains(netKept, n) {
			found = s.readNetNumber(&d, dir, n) == nil || found
		}
	}
	for _, a := range []struct {
		file string
		to   *string
	}{
		{"address", &d.address},
		{"duplex", &d.duplex},
		{"ifalias", &d.alias},
		{"operstate", &d.operstate},
	} {
		found = s.readNetText(a.to, dir, a.file) == nil || found
	}
	return &d, found
}

func (s *sources) readNetKept(path string) (d netDevice, err error) {
	fd, err := open(path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return d, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	dir := netFolder{fd: fd}
	for _, n := range netKept {
		_ = s.readNetNumber(&d, dir, n) // what cannot be read is not known
	}
	_ = s.readNetText(&d.broadcast, dir, "broadcast")
	return d, nil
}

func (s *sources) readNetNumber(d *netDevice, dir netFolder, n netNumber) error {
	b, err := s.attributeAt(dir.fd, dir.prefix+netAttributes[n].file)
	var value int64
	if err == nil {
		value, err = parseAttribute(b)
	}
	d.set(err == nil, n, value)
	return err
}

// readNetText keeps the string if it is still the same.
func (s *sources) readNetText(to *string, dir netFolder, file string) error {
	b, err := s.attributeAt(dir.fd, dir.prefix+file)
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
