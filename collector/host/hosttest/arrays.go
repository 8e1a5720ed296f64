package hosttest

import "fmt"

const nvmePath = "pci0000:00/0000:00:06.0/0000:01:00.0/nvme"

// arrays writes md's arrays, one of them rebuilding and one broken, and device mapper's devices, one with a failed path.
func arrays(t *tree) {
	t.file("proc/mdstat", `Personalities : [raid1] [raid6] [raid5] [raid4] [raid0] [raid10]
md0 : active raid5 sdb1[0] sdc1[4] sde1[1](F) sdf1[5](S)
      1953382400 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/2] [U_U]
      [=>...................]  recovery =  8.5% (83023744/976691200) finish=117.0min speed=127300K/sec
      bitmap: 3/8 pages [12KB], 65536KB chunk

md1 : active raid1 sda2[0] sdb2[1]
      523264 blocks super 1.2 [2/2] [UU]
      	resync=DELAYED

md2 : active raid0 sdc2[0] sdd2[1]
      314159265 blocks super 1.2 512k chunks

md3 : active (auto-read-only) raid10 sdg1[0] sdh1[1]
      4190208 blocks super 1.2 2 near-copies [2/2] [UU]
      [==>..................]  check = 12.5% (523776/4190208) finish=0.2min speed=114176K/sec

md127 : inactive sdi[0](S)
      7932 blocks super external:imsm

unused devices: <none>
`)
	for _, a := range []struct {
		name, attrs string
		members     []string
	}{
		{"md0", "level raid5|array_state clean|metadata_version 1.2|raid_disks 3|uuid 155f29ff|chunk_size 524288|degraded 1|sync_action recover|sync_completed 166047488 / 1953382400", []string{"sdb1", "sdc1"}},
		{"md1", "level raid1|array_state active|metadata_version 1.2|raid_disks 2 (1)|uuid 66f0|degraded 0|sync_action idle|sync_completed none", []string{"sda2", "sdb2"}},
		{"md2", "level raid0|array_state clean|metadata_version 1.2|raid_disks 2|uuid 9a1|chunk_size 524288", []string{"sdc2", "sdd2"}},
	} {
		dir := "sys/devices/virtual/block/" + a.name + "/md"
		t.attrs(dir, lines(a.attrs))
		for i, member := range a.members {
			t.attrs(dir+"/dev-"+member, fmt.Sprintf("state in_sync\nslot %d", i))
		}
	}
	for _, d := range []struct{ name, attrs string }{
		{"dm-0", "name mpatha|uuid mpath-3600601|suspended 0"},
		{"dm-1", "name vg0-root|uuid LVM-x1|suspended 0"},
		{"dm-2", "name swap|uuid CRYPT-PLAIN-swap|suspended 0"},
	} {
		t.attrs("sys/devices/virtual/block/"+d.name+"/dm", lines(d.attrs))
		t.folder("sys/devices/virtual/block/" + d.name + "/slaves")
	}
	for i, state := range []string{"running", "offline"} {
		path := ownDisks[4+i]
		t.link("sys/devices/virtual/block/dm-0/slaves/"+path.name, "sys/block/"+path.name)
		t.attrs("sys/devices/"+path.path+"/../..", "state "+state)
	}
}

// nvme writes a controller with two namespaces, one of them without the state that only shared ones have.
func nvme(t *tree) {
	dir := "sys/devices/" + nvmePath + "/nvme0"
	t.device("nvme", dir, "sys/devices/pci0000:00/0000:00:06.0/0000:01:00.0")
	t.attrs(dir, `
		firmware_rev 1B2QEXP7
		model Example NVMe 1TB
		serial S680HF8N190894I
		state live
		cntlid 1997
		transport pcie
	`)
	t.attrs(dir+"/nvme0n1", "nuse 488281250\nnsid 1\nana_state optimized")
	t.attrs(dir+"/nvme0n2", "nuse 244140625\nnsid 2\nsize 976562500\nqueue/logical_block_size 4096")
}

func lines(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c == '|' {
			b[i] = '\n'
		}
	}
	return string(b)
}
