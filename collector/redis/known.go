package redis

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// known is what is known of a server until it is another one: what to ask for, and what is no use asking for.
type known struct {
	learned  bool
	runID    string
	version  release // of Redis, or the one that the server is compatible with
	valkey   release
	sentinel bool
	cluster  bool
	modules  bool

	refused  map[string]refusal // by the command's name
	settings settings
	masters  []string // that a sentinel watches
	clients  float64  // connections, when INFO told last
}

// learn takes what INFO told. Everything else is forgotten if the server is another one than before, or has restarted.
func (k *known) learn(s *scrape) (another bool) {
	id := &s.id
	if another = !k.learned || k.runID != id.runID; another {
		*k = known{learned: true, runID: strings.Clone(id.runID), refused: make(map[string]refusal)}
	}
	k.version, k.valkey = parseVersion(id.version), parseVersion(id.valkeyVersion)
	k.sentinel, k.cluster, k.modules = id.mode == "sentinel", id.cluster, id.modules
	k.clients = id.clients
	return another
}

// release is major and minor.
type release [2]int

func parseVersion(s string) (v release) {
	major, rest, _ := strings.Cut(s, ".")
	minor, _, _ := strings.Cut(rest, ".")
	v[0], _ = strconv.Atoi(major)
	v[1], _ = strconv.Atoi(minor)
	return v
}

func (v release) since(major, minor int) bool { return slices.Compare(v[:], []int{major, minor}) >= 0 }

// askAgain is when a command that a user may not run is tried again; each refusal leaves an entry in the server's ACL
// log. One that the server does not have is not tried again until it restarts.
const askAgain = 5 * time.Minute

// refusal remembers that the server does not carry out a command.
type refusal struct {
	err   error
	until time.Time // zero for as long as the server runs
}

// refusal returns why a command is not worth asking for now, nil if it is.
func (k *known) refusal(name string, now time.Time) error {
	r, ok := k.refused[name]
	if !ok || !r.until.IsZero() && !now.Before(r.until) {
		return nil
	}
	return r.err
}

// remember notes which of the commands that were sent the server does not carry out.
func (k *known) remember(sent []command, s *scrape) {
	for _, c := range sent {
		switch err := s.heard[c.text].err; {
		case unknownCommand(err):
			k.refused[c.name] = refusal{err: err}
		case forbidden(err):
			k.refused[c.name] = refusal{err: err, until: s.now.Add(askAgain)}
		default:
			delete(k.refused, c.name)
		}
	}
}
