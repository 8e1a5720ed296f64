package host

import "github.com/chronoops/chronoops/collector"

var (
	entropyAvailable = gauge("node_entropy_available_bits", "Entropy that the kernel's random numbers are seeded with.")
	entropyPool      = gauge("node_entropy_pool_size_bits", "Size of the kernel's entropy pool.")
)

var entropyArea = area{
	name: "entropy", families: []*collector.Family{entropyAvailable, entropyPool},
	open: func(s *sources) (reader, error) {
		available, pool := s.sysctl("kernel/random/entropy_avail"), s.sysctl("kernel/random/poolsize")
		return func(w *collector.Writer) error {
			return s.recordNumbers(w, numberFile{available, entropyAvailable}, numberFile{pool, entropyPool})
		}, nil
	},
}
