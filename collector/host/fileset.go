package host

import (
	"slices"
)

// keepAtMost is how many files of a fileSet are kept open. A kept attribute of sysfs costs the kernel a page of memory.
const keepAtMost = 256

// fileSet is small files that come and go together, such as those of the CPUs that are online. The first ones added
// are kept open.
type fileSet struct {
	s     *sources
	files []*file
}

func (fs *fileSet) add(path string) *file {
	f := &file{path: path, small: true, once: len(fs.files) >= keepAtMost}
	fs.files = append(fs.files, f)
	if !f.once {
		fs.s.kept = append(fs.s.kept, f)
	}
	return f
}

// addPresent is add for a file that may not be there or may not be read: then it returns nil.
func (fs *fileSet) addPresent(path string) *file {
	if _, err := fs.s.read(path); isAbsent(err) {
		return nil
	}
	return fs.add(path)
}

// reset closes and forgets all files.
func (fs *fileSet) reset() {
	for _, f := range fs.files {
		f.close()
	}
	fs.s.kept = slices.DeleteFunc(fs.s.kept, func(f *file) bool { return slices.Contains(fs.files, f) })
	fs.files = nil
}
