package host

import (
	"regexp"

	"github.com/chronoops/chronoops/collector"
)

var (
	nvmeInfo      = gauge("node_nvme_info", "What the NVMe controller tells about itself.", "device", "firmware_revision", "model", "serial", "state", "cntlid")
	nvmeNamespace = gauge("node_nvme_namespace_info", "How the NVMe namespace can be reached through this controller; unknown if it is no shared one.",
		"device", "nsid", "ana_state")
	nvmeCapacity = gauge("node_nvme_namespace_capacity_bytes", "The same as node_nvme_namespace_size_bytes.", "device", "nsid")
	nvmeSize     = gauge("node_nvme_namespace_size_bytes",
		"Size of the NVMe namespace, as node_exporter computes it: too large by the block size over 512 unless blocks have 512 bytes.", "device", "nsid")
	nvmeUsed      = gauge("node_nvme_namespace_used_bytes", "Bytes of the NVMe namespace in use; known from Linux 6.8 on.", "device", "nsid")
	nvmeBlockSize = gauge("node_nvme_namespace_logical_block_size_bytes", "Size of a logical block of the NVMe namespace.", "device", "nsid")
)

var nvmeArea = area{
	name: "nvme", open: openNVMe,
	families: []*collector.Family{nvmeInfo, nvmeNamespace, nvmeCapacity, nvmeSize, nvmeUsed, nvmeBlockSize},
}

// nvmeController is what seldom changes about a controller.
type nvmeController struct {
	firmware, model, serial, id string

	namespaces []nvmeNS
}

type nvmeNS struct{ name, id string }

// nvmeNSName is what a namespace is called below its controller. Paths of shared ones have another name.
var nvmeNSName = regexp.MustCompile(`nvme\d+n(\d+)`)

// openNVMe reads /sys/class/nvme. What a kernel does not show costs its own samples alone.
func openNVMe(s *sources) (reader, error) {
	controllers := make(devices[nvmeController])
	look := func(path string) (nvmeController, error) {
		files, err := readDir(path)
		c := nvmeController{
			firmware: s.word(path + "/firmware_rev"), model: s.word(path + "/model"), serial: s.word(path + "/serial"), id: s.word(path + "/cntlid"),
		}
		for _, name := range files {
			if m := nvmeNSName.FindStringSubmatch(name); m != nil {
				c.namespaces = append(c.namespaces, nvmeNS{name, m[1]})
			}
		}
		return c, err
	}
	return func(w *collector.Writer) error {
		dir := s.sysPath("class/nvme")
		names, err := s.dir(dir)
		if err != nil {
			return err
		}
		defer controllers.forget(s)
		var failed failures
		for _, name := range names {
			path := dir + "/" + name
			c, err := controllers.get(s, path, look)
			if !failed.add(err) {
				continue
			}
			state, err := s.attribute(path + "/state")
			if !failed.add(err) {
				continue
			}
			w.Add(nvmeInfo, 1, name, c.firmware, c.model, c.serial, state, c.id)
			for _, ns := range c.namespaces {
				s.recordNamespace(w, &failed, path+"/"+ns.name, name, ns.id)
			}
		}
		return failed.err()
	}, nil
}

func (s *sources) recordNamespace(w *collector.Writer, failed *failures, path, device, id string) {
	block, err := s.integer(path+"/queue/logical_block_size", 10)
	if !failed.add(err) {
		return
	}
	state, err := s.attribute(path + "/ana_state")
	if err != nil {
		state = "unknown"
	}
	w.Add(nvmeNamespace, 1, device, id, state)
	w.Add(nvmeBlockSize, block, device, id)
	if size, err := s.integer(path+"/size", 10); failed.add(err) {
		w.Add(nvmeCapacity, size*block, device, id)
		w.Add(nvmeSize, size*block, device, id)
	}
	if used, err := s.integer(path+"/nuse", 10); failed.add(err) {
		w.Add(nvmeUsed, used*block, device, id)
	}
}
