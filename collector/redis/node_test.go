package redis

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const nodesText = `07c37dfeb235213a872192d90877d0cd55635b91 127.0.0.1:30004@31004,hostname4 slave e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca 0 1426238317239 4 connected
67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1 127.0.0.1:30002@31002,hostname2 master - 0 1426238316232 2 connected 5461-10922
292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f 127.0.0.1:30003@31003,hostname3 master,fail? - 0 1426238318243 3 disconnected 10923-16383 [93-<-67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1]
e7d1eecce10fd6bb5eb35b9f99a514335d9ba9ca :30001@31001 myself,master - 0 0 1 connected 0-5459 5460
824fe116063bc5fcf9f4ffd895bc17aee7731ac3 fd00::7:30006@31006,,shard-id=69bc080733d1355567173199cff4a6a039a2f024 slave 292f8b365bb7edb5e285caf0b7e6ddc7265d2f4f 0 1426238317741 6 connected
aaaa2db8d677e59ec4a4cefb06858cf2a1a89fa1 :0@0 master,noaddr - 0 1426238316232 2 disconnected
bbbb2db8d677e59ec4a4cefb06858cf2a1a89fa1 10.0.0.9:6379@16379 handshake - 0 0 0 disconnected
`

func TestClusterNodes(t *testing.T) {
	type line struct{ Address, Role, Shard string }
	var got []line
	nodes := clusterNodes(nodesText, "10.0.0.5", false)
	for _, n := range nodes {
		got = append(got, line{n.address, n.role, n.shard[:4]})
	}
	want := []line{
		{"127.0.0.1:30004", "replica", "e7d1"},
		{"127.0.0.1:30002", "primary", "67ed"},
		{"127.0.0.1:30003", "primary", "292f"},
		{"10.0.0.5:30001", "primary", "e7d1"},
		{"[fd00::7]:30006", "replica", "292f"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !nodes[3].itself || nodes[0].itself || !nodes[2].failing || nodes[1].failing {
		t.Error("itself or failing is wrong")
	}
	// A key is its primary's and its replicas'.
	for key, owner := range map[string]string{"a": "292f", "foo{hash_tag}": "e7d1", "{c}bar": "67ed", "b": "e7d1"} {
		for _, n := range nodes {
			if n.owns(key) != (n.shard[:4] == owner) {
				t.Errorf("%s owns %q: %v", n.address, key, n.owns(key))
			}
		}
	}
	if got := clusterNodes(nodesText, "10.0.0.5", true)[0].address; got != "hostname4:30004" {
		t.Errorf("by name: %s", got)
	}
	chosen := choose(nodes, KeysFromAny)
	want2 := map[string]string{"e7d1": "127.0.0.1:30004", "67ed": "127.0.0.1:30002", "292f": "[fd00::7]:30006"}
	for shard, address := range chosen {
		if want2[shard[:4]] != address {
			t.Errorf("%s asks %s", shard, address)
		}
	}
	if n := len(choose(nodes, KeysFromReplica)); n != 2 {
		t.Errorf("%d shards have a replica", n)
	}
	for _, address := range choose(nodes, KeysFromPrimary) {
		if address == "127.0.0.1:30004" {
			t.Error("a replica is asked")
		}
	}
}

func TestSlots(t *testing.T) {
	// The first is the test value of the checksum, the others are what a server answers to CLUSTER KEYSLOT.
	for key, slot := range map[string]int{
		"123456789": 0x31C3 % slots, "somekey": 11058, "foo{hash_tag}": 2515, "bar{hash_tag}": 2515, "": 0, "{}x": slotOf("{}x"), "foo": 12182,
	} {
		if got := slotOf(key); got != slot {
			t.Errorf("slot of %q is %d, want %d", key, got, slot)
		}
	}
	if slotOf("{}x") == slotOf("x") || slotOf("a{b}c{d}") != slotOf("b") || slotOf("{a") == slotOf("a") {
		t.Error("braces are wrong")
	}
}

func TestAllowed(t *testing.T) {
	for text, want := range map[string]map[string]bool{
		"10.0.0.0/24":         {"10.0.0.9:1": true, "10.0.1.9:1": false, "name:1": false, "[::ffff:10.0.0.9]:1": true},
		"10.0.0.1:7000-7005":  {"10.0.0.1:7000": true, "10.0.0.1:7005": true, "10.0.0.1:7006": false, "10.0.0.2:7000": false},
		"10.0.0.1:7000":       {"10.0.0.1:7000": true, "10.0.0.1:7001": false},
		"Cache.example.org":   {"cache.EXAMPLE.org:6379": true, "xcache.example.org:1": false, "cache.example.org.evil:1": false},
		"*.example.org:6379":  {"a.example.org:6379": true, "a.b.example.org:6379": true, "example.org:6379": false, "aexample.org:6379": false},
		"fd00::/16":           {"[fd00::7]:1": true, "[fd01::7]:1": false},
		"[fd00::7]:6379":      {"[fd00::7]:6379": true, "[fd00::7]:1": false, "[fd00::8]:6379": false},
		"fd00::7":             {"[fd00::7]:1": true},
		"10.0.0.0/24:1-65535": {"10.0.0.9:65535": true, "10.0.0.9": false, "10.0.0.9:x": false},
	} {
		a, err := parseAllowed(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for address, ok := range want {
			if a.matches(address) != ok {
				t.Errorf("%s allows %s: %v", text, address, !ok)
			}
		}
	}
	for _, text := range []string{"", "*", "*org", "a*b", "h:0", "h:70000", "h:9-1", "h:x", "redis://h:1", "a b", "10.0.0.0/99", "."} {
		if a, err := parseAllowed(text); err == nil && text != "." {
			t.Errorf("%q was accepted as %+v", text, a)
		}
	}
}

// FuzzClusterNodes holds that every node has an address that can be contacted and slots that there are.
func FuzzClusterNodes(f *testing.F) {
	f.Add(nodesText, true)
	f.Add("a 1:2@3 master - 0 0 0 connected 0-99999 -5 7-3\n", false)
	f.Fuzz(func(t *testing.T, text string, hostnames bool) {
		for _, n := range clusterNodes(text, "h", hostnames) {
			if n.address == "" || n.shard == "" || n.role != rolePrimary && n.role != roleReplica {
				t.Errorf("%+v", n)
			}
			for _, r := range n.slots {
				if r.first < 0 || r.last >= slots {
					t.Errorf("slots %+v", r)
				}
			}
		}
	})
}
