package incident_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/incident"
	"github.com/chronoops/chronoops/receiver/policy"
	"github.com/chronoops/chronoops/receiver/store"
	"github.com/chronoops/chronoops/receiver/store/storetest"
)

func TestResolvedNoticeGoesToThoseWhoWerePaged(t *testing.T) {
	w := newWorld(t)
	w.fire("Other a")
	w.page(1, "sent", receiver.NoticeFiring, receiver.PageSent)
	w.page(1, "sent", receiver.NoticeFiring, receiver.PageSent) // a repeat
	w.page(1, "perhaps", receiver.NoticeFiring, receiver.PageAmbiguous)
	w.page(1, "just now", receiver.NoticeFiring, receiver.PageSending)
	w.page(1, "failed", receiver.NoticeFiring, receiver.PageFailed)
	w.page(1, "dropped", receiver.NoticeFiring, receiver.PageDropped)
	w.page(1, "waiting", receiver.NoticeFiring, receiver.PagePending)
	w.resolve("Other a")
	w.equal("pages", []string{
		"firing sent sent", "firing sent sent", "firing ambiguous perhaps", "firing sending just now", "firing failed failed", "firing dropped dropped",
		"firing dropped waiting", "resolved pending just now", "resolved pending perhaps", "resolved pending sent",
	}, w.pages(1))
	// Who was told the first time only does not hear of the second.
	w.clock.Pass(time.Minute)
	w.fire("Other a")
	w.page(1, "second", receiver.NoticeFiring, receiver.PageSent)
	w.repair(2, receiver.RepairVerified)
	w.resolve("Other a")
	w.equal("pages of the second time", []string{"firing sent second", "repaired pending second"}, w.pages(1)[10:])
	w.clock.Pass(time.Minute)
	w.fire("Other a")
	w.resolve("Other a")
	w.equal("nobody was paged the third time", 12, len(w.pages(1)))
}

func TestAck(t *testing.T) {
	w := newWorld(t)
	if err := w.db.Update(t.Context(), func(tx *store.Tx) error { _, err := incident.Ack(tx, 9, "ann", time.Hour); return err }); !errors.Is(err, receiver.ErrNotFound) {
		t.Errorf("acknowledging what does not exist: %v", err)
	}
	w.fire("Other a")
	w.fire("Other b")
	w.page(1, "waiting", receiver.NoticeFiring, receiver.PagePending)
	w.page(1, "sent", receiver.NoticeFiring, receiver.PageSent)
	w.change(1, func(i *receiver.Incident) { i.Held = true })
	w.resolve("Other b")
	r := w.ack(1, "ann")
	if !r.Done || r.Text != "acknowledged incident 1 until 2026-03-01T03:00:00Z, 1 alert(s) at P2" {
		t.Errorf("%+v", r)
	}
	i := w.incident(1)
	w.equal("acknowledgement", &receiver.Ack{By: "ann", At: storetest.Begin, Until: storetest.Begin.Add(time.Hour), Episodes: []int64{1}, Priority: receiver.P2}, i.Ack)
	if i.Held || !i.Due.Equal(i.Ack.Until) {
		t.Errorf("held %v, due %s", i.Held, i.Due)
	}
	w.equal("pages", []string{"firing dropped waiting", "firing sent sent"}, w.pages(1))
	w.clock.Pass(time.Minute)
	if r = w.ack(1, "ann"); r.Done || !strings.Contains(r.Text, "already, until 2026-03-01T03:00:00Z") {
		t.Errorf("twice: %+v", r)
	}
	if r = w.ack(1, "bob"); !r.Done || w.incident(1).Ack.By != "bob" {
		t.Errorf("somebody else takes over: %+v", r)
	}
	// A new alert is not covered; the same person can take it on as well.
	w.fire("Other c")
	if i := w.incident(1); !i.Due.Equal(w.clock.Now()) || i.Ack == nil {
		t.Errorf("a new alert: due %s, ack %v", i.Due, i.Ack)
	}
	if r = w.ack(1, "bob"); !r.Done || len(w.incident(1).Ack.Episodes) != 2 {
		t.Errorf("with the new alert: %+v", r)
	}
	w.clock.Pass(time.Hour)
	if r = w.ack(1, "bob"); !r.Done {
		t.Errorf("after it expired: %+v", r)
	}
	w.resolve("Other a")
	w.resolve("Other c")
	if r = w.ack(1, "ann"); r.Done || r.Text != "incident 1 is resolved already (alert cleared)" {
		t.Errorf("after the end: %+v", r)
	}
	var who []string
	for _, line := range w.timeline(1) {
		if person, _, _ := strings.Cut(line, " "); person != "chronoops" {
			who = append(who, person)
		}
	}
	w.equal("people in the timeline", []string{"ann", "bob", "bob", "bob"}, who)
}

func TestSeenKeepsTheFirstPolicy(t *testing.T) {
	w := newWorld(t)
	w.fire("ApiDown a")
	w.clock.Pass(time.Minute)
	a := w.alert("ApiDown a")
	a.Annotations, a.URL = map[string]string{"summary": "worse"}, "http://x"
	w.set = &policy.Set{Mode: receiver.ModeOff}
	w.update(func(tx *store.Tx) error {
		o, err := incident.Fire(tx, w.set, w.group, a)
		w.equal("outcome", incident.Seen, o)
		e, errE := tx.Episode(1)
		if e.Policy != "on-ApiDown" || !e.LastSeen.Equal(w.clock.Now()) || e.Annotations["summary"] != "worse" || e.URL != "http://x" || !e.Opened.Equal(storetest.Begin) {
			t.Errorf("episode %+v", e)
		}
		return errors.Join(err, errE)
	})
}

func TestDescribe(t *testing.T) {
	for want, labels := range map[string]map[string]string{
		"":                          nil,
		"ApiDown":                   {"alertname": "ApiDown"},
		`ApiDown {a="1", b="\"\n"}`: {"alertname": "ApiDown", "b": "\"\n", "a": "1"},
		`{a="1"}`:                   {"a": "1"},
		`ApiDown {名="值"}`:           {"alertname": "ApiDown", "名": "值"},
	} {
		if got := incident.Describe(labels); got != want {
			t.Errorf("%v: %s, want %s", labels, got, want)
		}
	}
}
