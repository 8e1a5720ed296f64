package intake_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chronoops/chronoops/receiver/intake"
	"github.com/chronoops/chronoops/receiver/store"
)

func TestAnswerFollowsCommit(t *testing.T) {
	w := newWorld(t)
	committed := false
	o := w.options
	o.Committed = func() {
		if !committed {
			t.Error("woken before the commit")
		}
	}
	o.Store = storeFunc(func(ctx context.Context, fn func(intake.Tx) error) error {
		err := dbStore{w.db}.Update(ctx, fn)
		committed = true
		return err
	})
	rec := early{httptest.NewRecorder(), &committed, t}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(message("a", "firing", 1)))
	r.Header.Set("Authorization", "Bearer prod")
	intake.NewHandler(o).ServeHTTP(rec, r)
	w.want(rec.ResponseRecorder, http.StatusOK, "")
}

func TestSameMessageTenTimesAtOnce(t *testing.T) {
	w := newWorld(t)
	body := message("a", "firing", 1)
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			peer := strings.Replace(body, "peer-1", fmt.Sprintf("peer-%d", n%2), 1)
			if rec := w.post(peer); rec.Code != http.StatusOK {
				t.Errorf("%d: %s", rec.Code, rec.Body)
			}
		})
	}
	wg.Wait()
	w.wantRows(1, 1, 1)
	if ok, repeat := w.counted("prod", "ok"), w.counted("prod", "repeat"); ok != 1 || repeat != 9 {
		t.Errorf("%v taken, %v repeated", ok, repeat)
	}
	// The same words of another source are another incident.
	w.want(w.send(http.MethodPost, "test", strings.NewReader(body)), http.StatusOK, "")
	w.wantRows(2, 2, 2)
}

func TestReplicasAreOneAlert(t *testing.T) {
	w := newWorld(t)
	body := func(a, b string) string {
		return fmt.Sprintf(`{"version":"4","receiver":"chronoops","alerts":[
			{"status":%q,"labels":{"alertname":"ApiDown","replica":"1"},"startsAt":"2026-03-01T02:00:00Z","endsAt":"2026-03-01T02:05:00Z"},
			{"status":%q,"labels":{"alertname":"ApiDown","replica":"2"},"startsAt":"2026-03-01T02:00:01Z","endsAt":"2026-03-01T02:05:00Z"}]}`, a, b)
	}
	open := func() (n int) {
		err := w.db.View(t.Context(), func(tx *store.Tx) error {
			list, err := tx.FiringEpisodes()
			n = len(list)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, c := range []struct {
		a, b string
		open int
	}{{"firing", "firing", 1}, {"firing", "resolved", 1}, {"resolved", "firing", 1}, {"resolved", "resolved", 0}} {
		w.want(w.post(body(c.a, c.b)), http.StatusOK, "")
		if n := open(); n != c.open {
			t.Errorf("%s and %s: %d open, want %d", c.a, c.b, n, c.open)
		}
	}
	w.wantRows(1, 1, 1)
}

func TestReceiverWithSpecialCharacters(t *testing.T) {
	w := newWorld(t)
	for _, file := range []string{"0.31-firing", "0.34-firing"} {
		body, err := os.ReadFile("testdata/alertmanager-" + file + ".json")
		if err != nil {
			t.Fatal(err)
		}
		w.want(w.send(http.MethodPost, "prod", bytes.NewReader(body)), http.StatusOK, "")
	}
	// Both versions speak of one group.
	w.wantRows(1, 2, 1)
	err := w.db.View(t.Context(), func(tx *store.Tx) error {
		i, err := tx.Incident(1)
		if i.Receiver != "chrono.ops+page (a|b)" {
			t.Errorf("receiver %q", i.Receiver)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestHugeGroup(t *testing.T) {
	w := newWorld(t, func(o *intake.Options) { o.Timeout = time.Minute })
	w.want(w.post(message("a", "firing", 500)), http.StatusOK, "")
	w.wantRows(1, 500, 1)
	w.want(w.post(message("a", "resolved", 500)), http.StatusOK, "")
	err := w.db.View(t.Context(), func(tx *store.Tx) error {
		list, err := tx.FiringEpisodes()
		if len(list) != 0 {
			t.Errorf("%d still fire", len(list))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
