package intake

import (
	"testing"
	"time"
)

func TestBoundedTimesCanBeWrittenAgain(t *testing.T) {
	for _, text := range []string{
		"9999-12-31T23:59:59-23:00", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "2026-03-01T02:00:00+02:00",
	} {
		in, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		out := bounded(in)
		if _, err := time.UnixMilli(out.UnixMilli()).UTC().MarshalJSON(); err != nil || out.Unix() < 0 {
			t.Errorf("%s is kept as %s, which no answer can hold: %v", text, out, err)
		}
	}
}
