package host

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/chronoops/chronoops/collector"
)

var xfsArea = area{name: "xfs", families: xfsFamilies, open: openXFS}

// xfsLines is the lines of /sys/fs/xfs/DEVICE/stats/stats that are taken (fs/xfs/xfs_stats.c), with a family for each
// of their numbers; nil for a number that is not.
var xfsLines = map[string][]*collector.Family{
	"extent_alloc": {
		xfsCounter("extent_allocation_extents_allocated", "Extents allocated."),
		xfsCounter("extent_allocation_blocks_allocated", "Blocks allocated."),
		xfsCounter("extent_allocation_extents_freed", "Extents freed."),
		xfsCounter("extent_allocation_blocks_freed", "Blocks freed."),
	},
	"abt": {
		xfsCounter("allocation_btree_lookups", "Lookups in the B-trees of free space."),
		xfsCounter("allocation_btree_compares", "Comparisons in the B-trees of free space."),
		xfsCounter("allocation_btree_records_inserted", "Records inserted into the B-trees of free space."),
		xfsCounter("allocation_btree_records_deleted", "Records deleted from the B-trees of free space."),
	},
	"blk_map": {
		xfsCounter("block_mapping_reads", "Block map operations for reading."),
		xfsCounter("block_mapping_writes", "Block map operations for writing."),
		xfsCounter("block_mapping_unmaps", "Block map operations for deleting."),
		xfsCounter("block_mapping_extent_list_insertions", "Extents inserted into the lists of files."),
		xfsCounter("block_mapping_extent_list_deletions", "Extents deleted from the lists of files."),
		xfsCounter("block_mapping_extent_list_lookups", "Extents looked up in the lists of files."),
		xfsCounter("block_mapping_extent_list_compares", "Comparisons in the extent lists of files."),
	},
	"bmbt": {
		xfsCounter("block_map_btree_lookups", "Lookups in the B-trees of files' block maps."),
		xfsCounter("block_map_btree_compares", "Comparisons in the B-trees of files' block maps."),
		xfsCounter("block_map_btree_records_inserted", "Records inserted into the B-trees of files' block maps."),
		xfsCounter("block_map_btree_records_deleted", "Records deleted from the B-trees of files' block maps."),
	},
	"dir": {
		xfsCounter("directory_operation_lookup", "Names looked up in folders on disk."),
		xfsCounter("directory_operation_create", "Names added to folders."),
		xfsCounter("directory_operation_remove", "Names removed from folders."),
		xfsCounter("directory_operation_getdents", "Times that folders were listed."),
	},
	"ig": {
		xfsCounter("inode_operation_attempts", "Inodes looked for in the cache."),
		xfsCounter("inode_operation_found", "Inodes found in the cache."),
		xfsCounter("inode_operation_recycled", "Inodes found in the cache that were just being reclaimed."),
		xfsCounter("inode_operation_missed", "Inodes not found in the cache."),
		xfsCounter("inode_operation_duplicates", "Inodes that were added to the cache by somebody else meanwhile."),
		xfsCounter("inode_operation_reclaims", "Inodes reclaimed from the cache."),
		xfsCounter("inode_operation_attribute_changes", "Changes of inodes' attributes."),
	},
	"rw": {
		xfsCounter("write_calls", "Calls of write(2)."),
		xfsCounter("read_calls", "Calls of read(2)."),
	},
	"vnodes": {
		xfsCounter("vnode_active", "Vnodes that are in use."),
		xfsCounter("vnode_allocate", "Vnodes allocated."),
		xfsCounter("vnode_get", "References taken to vnodes."),
		xfsCounter("vnode_hold", "Holds taken on vnodes."),
		xfsCounter("vnode_release", "References to vnodes released."),
		xfsCounter("vnode_reclaim", "Vnodes reclaimed."),
		xfsCounter("vnode_remove", "Vnodes removed."),
	},
}

func xfsCounter(name, help string) *collector.Family {
	return counter("node_xfs_"+name+"_total", help, "device")
}

// xfsFamilies are ordered by their lines.
var xfsFamilies = func() []*collector.Family {
	var fs []*collector.Family
	for _, line := range slices.Sorted(maps.Keys(xfsLines)) {
		fs = append(fs, xfsLines[line]...)
	}
	return fs
}()

// parseXFS calls yield for each number that is taken of a statistics file.
func parseXFS(b []byte, yield func(f *collector.Family, n uint64)) error {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		key, rest := cutField(line)
		for _, family := range xfsLines[string(key)] {
			var field []byte
			field, rest = cutField(rest)
			n, err := parseUint(field)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			yield(family, n)
		}
	}
	return nil
}

func openXFS(s *sources) (reader, error) {
	root := s.sysPath("fs/xfs")
	return func(w *collector.Writer) error {
		devices, err := s.dir(root)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // as node_exporter, of which the others fail without a device
		} else if err != nil {
			return err
		}
		var errs []error
		for _, device := range devices {
			if device == "stats" || device == "debug" { // of all file systems together
				continue
			}
			b, err := s.read(root + "/" + device + "/stats/stats")
			if errors.Is(err, fs.ErrNotExist) { // just unmounted
				continue
			}
			if err == nil {
				err = parseXFS(b, func(f *collector.Family, n uint64) { w.Add(f, float64(n), device) })
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("XFS of %s: %w", device, err))
			}
		}
		return errors.Join(errs...)
	}, nil
}
