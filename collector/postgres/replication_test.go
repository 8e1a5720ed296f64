package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/chronoops/chronoops/collector/collectortest"
	"github.com/chronoops/chronoops/tools/stack"
	"github.com/chronoops/chronoops/tools/stack/stacktest"
)

// TestReplication follows a standby from both sides: in step, paused, and cut off.
func TestReplication(t *testing.T) {
	p := start(t, stack.PostgresOptions{})
	standby, err := stack.StartStandby(context.Background(), p, stack.StandbyOptions{})
	stacktest.Run(t, standby, err)
	admin, other := connect(t, p.URL), connect(t, standby.URL)
	exec(t, admin, "CREATE TABLE t (n int)")
	primaryScraper, standbyScraper := scraper(t, p.URL), scraper(t, standby.URL)
	const (
		labels   = `{application_name="standby",client_addr="127.0.0.1",slot_name="standby"}`
		replayed = "chronoops_postgres_standby_replayed_bytes" + labels
		flushed  = "chronoops_postgres_standby_flushed_bytes" + labels
		retained = `chronoops_postgres_slot_retained_bytes{slot_name="standby",slot_type="physical"}`
		current  = "chronoops_postgres_wal_current_bytes"
		message  = "chronoops_postgres_wal_receiver_last_message_timestamp_seconds"
	)
	o := until(t, primaryScraper, "a standby in step", func(o collectortest.Outcome) bool {
		return o.Sample(replayed) != "" && o.Sample(replayed) == o.Sample(current)
	})
	wantUp(t, o)
	for series, want := range map[string]string{
		"chronoops_postgres_standby_streaming" + labels:                                                   "1",
		"chronoops_postgres_standby_synchronous" + labels:                                                 "0",
		"pg_replication_is_replica":                                                                       "0",
		`pg_replication_slots_active{database="",slot_name="standby"}`:                                    "1",
		`pg_replication_slots_wal_status{slot_name="standby",slot_type="physical",wal_status="reserved"}`: "1",
		"chronoops_postgres_wal_received_bytes":                                                           "",
		"chronoops_postgres_wal_receiver_streaming":                                                       "",
		"chronoops_postgres_wal_replay_paused":                                                            "",
	} {
		if got := o.Sample(series); got != want {
			t.Errorf("primary: %s = %q, want %q", series, got, want)
		}
	}
	o = standbyScraper.Scrape(enough)
	wantUp(t, o)
	for series, want := range map[string]string{
		"pg_replication_is_replica": "1", "chronoops_postgres_wal_receiver_streaming": "1", "chronoops_postgres_wal_replay_paused": "0", current: "",
		"pg_settings_transaction_read_only": "1",
	} {
		if got := o.Sample(series); got != want {
			t.Errorf("standby: %s = %q, want %q", series, got, want)
		}
	}
	if at := value(t, o, message); time.Since(time.Unix(int64(at), 0)).Abs() > time.Hour {
		t.Errorf("the last message came at %v", at)
	}

	exec(t, other, "SELECT pg_wal_replay_pause()")
	exec(t, admin, "INSERT INTO t SELECT generate_series(1, 10000)")
	o = until(t, primaryScraper, "a standby that has received what it does not replay", func(o collectortest.Outcome) bool {
		return o.Sample(flushed) == o.Sample(current) && value(t, o, replayed) < value(t, o, current)
	})
	if value(t, o, retained) < 0 {
		t.Errorf("%s = %s", retained, o.Sample(retained))
	}
	o = standbyScraper.Scrape(enough)
	if o.Sample("chronoops_postgres_wal_replay_paused") != "1" ||
		value(t, o, "chronoops_postgres_wal_replayed_bytes") >= value(t, o, "chronoops_postgres_wal_received_bytes") {
		t.Errorf("a paused standby:\n%v", samplesOf(o.Text, "chronoops_postgres_wal_re"))
	}

	exec(t, other, "SELECT pg_wal_replay_resume()")
	until(t, standbyScraper, "all replayed", func(o collectortest.Outcome) bool {
		return o.Sample("chronoops_postgres_wal_replayed_bytes") == o.Sample("chronoops_postgres_wal_received_bytes")
	})
	_ = admin.Close(context.Background())
	stop(t, p)
	o = until(t, standbyScraper, "a standby that is cut off", func(o collectortest.Outcome) bool {
		return o.Sample("chronoops_postgres_wal_receiver_streaming") == "0"
	})
	wantUp(t, o)
	// That is the trap: all that came was replayed.
	if got := o.Sample("pg_replication_lag_seconds"); got != "0" {
		t.Errorf("pg_replication_lag_seconds = %s", got)
	}
}

// TestSlots keeps log for a slot that nobody reads.
func TestSlots(t *testing.T) {
	p := start(t, stack.PostgresOptions{Settings: map[string]string{"wal_level": "logical"}})
	admin := connect(t, p.URL)
	exec(t, admin, "SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput'); CREATE TABLE t (s text)")
	s := scraper(t, p.URL)
	const labels = `{slot_name="forgotten",slot_type="logical"}`
	before := s.Scrape(enough)
	wantUp(t, before)
	exec(t, admin, "SET synchronous_commit = on; INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
	after := s.Scrape(enough)
	grown := value(t, after, "chronoops_postgres_slot_retained_bytes"+labels) - value(t, before, "chronoops_postgres_slot_retained_bytes"+labels)
	if grown < 5e6 || grown > 5e7 {
		t.Errorf("the log kept for the slot grew by %v bytes", grown)
	}
	for series, want := range map[string]string{
		`pg_replication_slots_active{database="postgres",slot_name="forgotten"}`: "0",
		"pg_replication_slots_slot_is_active" + labels:                           "0",
		"pg_replication_slots_slot_confirmed_flush_lsn" + labels:                 "", // of active ones only
	} {
		if got := after.Sample(series); got != want {
			t.Errorf("%s = %q, want %q", series, got, want)
		}
	}
	if value(t, after, `chronoops_postgres_horizon_age_transactions{holder="slot"}`) < 1 {
		t.Error("the slot holds back no transaction")
	}
}
