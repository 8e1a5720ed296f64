package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/chronoops/chronoops/receiver"
	"github.com/chronoops/chronoops/receiver/store"
)

func groupIncident(w *world) {
	group := func(since time.Duration) (id int64) {
		w.do(func(tx *store.Tx) error {
			in, ok, err := tx.GroupIncident("prod", "group 1", Begin.Add(since))
			w.equal("found", in.ID != 0, ok)
			id = in.ID
			return err
		})
		return id
	}
	first, _ := w.incident(1)
	w.equal("open", first, group(time.Hour))
	w.clock.Pass(time.Minute)
	w.resolve(first)
	w.equal("resolved in time", first, group(time.Minute))
	w.equal("resolved too early", int64(0), group(time.Minute+time.Millisecond))
	var second int64
	w.do(func(tx *store.Tx) (err error) { second, err = tx.InsertIncident(anIncident(1)); return err })
	w.equal("the open one wins", second, group(0))
	w.clock.Pass(time.Minute)
	w.resolve(second)
	w.equal("the newest wins", second, group(0))
	w.do(func(tx *store.Tx) error {
		_, ok, err := tx.GroupIncident("test", "group 1", time.Time{})
		w.equal("of another source", false, ok)
		return err
	})
}

func history(w *world) {
	i, e := w.incident(1)
	j, f := w.incident(2)
	get := func(step int, resource string, episode int64) (h receiver.AttemptHistory) {
		w.Helper()
		w.do(func(tx *store.Tx) (err error) {
			h, err = tx.AttemptHistory("api-down", step, resource, episode)
			return err
		})
		return h
	}
	w.equal("nothing", receiver.AttemptHistory{}, get(0, "fake/api", e))
	// run is one attempt that started and ended a minute later.
	run := func(incident, episode int64, step int, policy, resource string) int64 {
		a := anAttempt(incident, episode)
		a.Step, a.Policy = step, policy
		id := w.attempt(a)
		w.mustChange(id, func(a *receiver.Attempt) {
			a.State, a.Started, a.Resource = receiver.AttemptStarted, w.clock.Now(), resource
		})
		w.clock.Pass(time.Minute)
		w.mustChange(id, func(a *receiver.Attempt) {
			a.State, a.Ended, a.Due = receiver.AttemptFailed, w.clock.Now(), time.Time{}
		})
		return id
	}
	run(i, e, 0, "api-down", "fake/api")
	ended := w.clock.Now()
	w.equal("one run", receiver.AttemptHistory{LastEnd: ended, InEpisode: 1, InDay: 1}, get(0, "fake/api", e))
	w.equal("for another alert", receiver.AttemptHistory{LastEnd: ended, InDay: 1}, get(0, "fake/api", f))
	w.equal("another resource", receiver.AttemptHistory{InEpisode: 1}, get(0, "fake/db", e))
	w.equal("a later step counts its own runs only", receiver.AttemptHistory{}, get(1, "fake/api", e))
	run(j, f, 1, "api-down", "fake/api")
	w.equal("the first step counts all", receiver.AttemptHistory{LastEnd: w.clock.Now(), InEpisode: 1, InDay: 2}, get(0, "fake/api", e))
	w.equal("the later step its own", receiver.AttemptHistory{LastEnd: w.clock.Now(), InEpisode: 1, InDay: 1}, get(1, "fake/api", f))
	last := w.clock.Now()
	run(i, e, 0, "other", "fake/api")
	w.equal("another policy", receiver.AttemptHistory{LastEnd: last, InEpisode: 2, InDay: 2}, get(0, "fake/api", e))
	// What was refused or dropped has not acted.
	refused := w.attempt(anAttempt(i, e))
	w.mustChange(refused, func(a *receiver.Attempt) { a.Resource = "fake/api"; end(receiver.AttemptRefused)(a) })
	w.equal("a refusal", receiver.AttemptHistory{LastEnd: last, InEpisode: 2, InDay: 2}, get(0, "fake/api", e))
	w.clock.Pass(24 * time.Hour)
	w.equal("a day later", receiver.AttemptHistory{LastEnd: last, InEpisode: 2}, get(0, "fake/api", e))
	// While one acts, it holds the resource, and its start counts.
	acting := w.attempt(anAttempt(i, e))
	now := w.clock.Now()
	w.mustChange(acting, func(a *receiver.Attempt) { start(a); a.Started = now })
	w.equal("while one acts", receiver.AttemptHistory{Holder: acting, LastEnd: now, InEpisode: 2, InDay: 1}, get(0, "fake/api", e))
	w.equal("elsewhere nobody does", int64(0), get(0, "fake/db", e).Holder)
}

func dropPages(w *world) {
	i, _ := w.incident(1)
	j, _ := w.incident(2)
	pending, other := w.page(aPage(i)), w.page(aPage(j))
	closing := aPage(i)
	closing.Kind = receiver.NoticeResolved
	w.page(closing)
	sending := w.page(aPage(i))
	w.do(func(tx *store.Tx) error {
		list, err := tx.Pages(i)
		if err != nil {
			return err
		}
		p := list[2]
		w.equal("the page being sent", sending, p.ID)
		p.State = receiver.PageSending
		return tx.SavePage(p)
	})
	// A worker that holds a page that is dropped may not write it again.
	var held receiver.Page
	w.do(func(tx *store.Tx) (err error) { held, _, err = tx.ClaimPage("w", time.Minute, receiver.P1); return err })
	w.equal("held page", pending, held.ID)
	w.do(func(tx *store.Tx) error { return tx.DropPages(i, receiver.NoticeFiring, "acknowledged by ann") })
	held.State = receiver.PageSending
	if err := w.try(func(tx *store.Tx) error { return tx.SavePage(held) }); !errors.Is(err, store.ErrFenced) {
		w.Errorf("write of a dropped page: %v, want ErrFenced", err)
	}
	states := func(incident int64) (s []string) {
		w.do(func(tx *store.Tx) error {
			list, err := tx.Pages(incident)
			for _, p := range list {
				s = append(s, fmt.Sprintf("%s %s %s", p.Kind, p.State, p.Error))
			}
			return err
		})
		return s
	}
	w.equal("pages", []string{"firing dropped acknowledged by ann", "resolved pending ", "firing sending "}, states(i))
	w.equal("pages of another incident", []string{"firing pending "}, states(j))
	_ = other
}

func lists(w *world) {
	i, e := w.incident(1)
	j, f := w.incident(2)
	k, _ := w.incident(3)
	a, b, c := w.attempt(anAttempt(i, e)), w.attempt(anAttempt(j, f)), w.attempt(anAttempt(0, 0))
	w.resolve(i)
	w.mustChange(a, end(receiver.AttemptDropped))
	w.do(func(tx *store.Tx) error {
		ids := func(list []receiver.Incident, err error) []int64 {
			var ids []int64
			for _, in := range list {
				ids = append(ids, in.ID)
			}
			return append(ids, errorCode(err))
		}
		w.equal("incidents", []int64{k, j, i, 0}, ids(tx.Incidents(false, 10)))
		w.equal("the newest two", []int64{k, j, 0}, ids(tx.Incidents(false, 2)))
		w.equal("open incidents", []int64{k, j, 0}, ids(tx.Incidents(true, 10)))
		attempts := func(list []receiver.Attempt, err error) []int64 {
			var ids []int64
			for _, at := range list {
				ids = append(ids, at.ID)
			}
			return append(ids, errorCode(err))
		}
		w.equal("attempts of an incident", []int64{a, 0}, attempts(tx.Attempts(i)))
		w.equal("recent attempts", []int64{c, b, 0}, attempts(tx.RecentAttempts(2)))
		w.equal("open attempts", []int64{b, c, 0}, attempts(tx.OpenAttempts()))
		count, err := tx.OpenIncidents()
		w.equal("open by priority", [3]int{0, 2, 0}, count)
		firing, errF := tx.FiringEpisodes()
		w.equal("firing episodes", 3, len(firing))
		episodes, errE := tx.Episodes(i)
		w.equal("episodes of an incident", 1, len(episodes))
		return errors.Join(err, errF, errE)
	})
}

func errorCode(err error) int64 {
	if err != nil {
		return -1
	}
	return 0
}

func references(w *world) {
	w.refused("an episode of no incident", func(tx *store.Tx) error { _, err := tx.InsertEpisode(anEpisode(99, 1)); return err })
	w.refused("a page of no incident", func(tx *store.Tx) error { _, err := tx.InsertPage(aPage(99)); return err })
	w.refused("an attempt of no incident", func(tx *store.Tx) error { _, err := tx.InsertAttempt(anAttempt(99, 0)); return err })
	w.refused("an attempt of no episode", func(tx *store.Tx) error { _, err := tx.InsertAttempt(anAttempt(0, 99)); return err })
	w.refused("an event of no incident", func(tx *store.Tx) error { return tx.AddEvent(receiver.Event{Incident: 99, Kind: "x"}) })
}
