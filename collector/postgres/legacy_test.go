package postgres_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chronoops/chronoops/collector/postgres"
)

// TestLegacyNames lists the former names that dashboards still chart.
func TestLegacyNames(t *testing.T) {
	var got []string
	for _, p := range postgres.Parts() {
		for _, f := range p.Families {
			if f.Legacy == "" {
				continue
			}
			got = append(got, f.Legacy)
			if f.Name != f.Legacy+"_total" {
				t.Errorf("%s is not the former name of %s", f.Legacy, f.Name)
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"pg_stat_bgwriter_buffers_alloc", "pg_stat_bgwriter_buffers_backend", "pg_stat_bgwriter_buffers_backend_fsync",
		"pg_stat_bgwriter_buffers_checkpoint", "pg_stat_bgwriter_buffers_clean", "pg_stat_bgwriter_checkpoint_sync_time",
		"pg_stat_bgwriter_checkpoint_write_time",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
