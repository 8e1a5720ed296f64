package host

import (
	"slices"

	"github.com/chronoops/chronoops/collector"
)

// attributeClass is a class of devices whose files each hold a number or some words.
type attributeClass struct {
	name    string                     // below /sys/class
	numbers map[string]attributeNumber // by file
	words   []string                   // files that are labels of info
	info    *collector.Family          // its first label is the device
}

type attributeNumber struct {
	family *collector.Family
	unit   float64 // what the number is divided by
}

func (c attributeClass) families() []*collector.Family {
	fs := []*collector.Family{c.info}
	for _, n := range c.numbers {
		fs = append(fs, n.family)
	}
	slices.SortFunc(fs, byName)
	return fs
}

// reader records each device that skip does not leave out.
func (c attributeClass) reader(s *sources, skip func(device string) bool) reader {
	info := make([]string, 1+len(c.words))
	return func(w *collector.Writer) error {
		dir := s.sysPath("class", c.name)
		names, err := s.dir(dir)
		if err != nil {
			return err
		}
		var failed failures
		for _, name := range names {
			if skip(name) {
				continue
			}
			path := dir + "/" + name
			files, err := readDir(path)
			if !failed.add(err) {
				continue
			}
			clear(info)
			info[0] = name
			for _, file := range files {
				if number, ok := c.numbers[file]; ok {
					if n, err := s.integer(path+"/"+file, 0); failed.add(err) {
						w.Add(number.family, n/number.unit, name)
					}
				} else if i := slices.Index(c.words, file); i >= 0 {
					if text, err := s.attribute(path + "/" + file); failed.add(err) {
						info[1+i] = text
					}
				}
			}
			w.Add(c.info, 1, info...)
		}
		return failed.err()
	}
}
