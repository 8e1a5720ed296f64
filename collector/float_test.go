package collector

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// checkFloat holds f to strconv's shortest form, which is what Prometheus' encoder writes.
func checkFloat(t *testing.T, f float64) {
	t.Helper()
	want := strconv.FormatFloat(f, 'g', -1, 64)
	if f == 0 {
		want = "0"
	}
	if got := string(appendFloat([]byte("x"), f)); got != "x"+want {
		t.Errorf("%b: got %s, want %s", f, got[1:], want)
	}
}

func FuzzAppendFloat(f *testing.F) {
	for _, v := range []float64{
		0, math.Copysign(0, -1), 1, -1, 999999, 1e6, -999999, -1e6, 1e6 - 1e-9, 123456.5, 1e-4, 9.9999e-5, 1e-7, 0.1, 0.3, 1e15 - 1, 1e15, 1e21,
		1234567, 1e14, 1 << 53, 1<<53 + 2, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1),
	} {
		f.Add(math.Float64bits(v), int64(v), uint8(3))
	}
	f.Fuzz(func(t *testing.T, bits uint64, n int64, places uint8) {
		v := math.Float64frombits(bits)
		checkFloat(t, v)
		checkFloat(t, math.Nextafter(v, 0))
		checkFloat(t, float64(n))
		checkFloat(t, float64(n)/math.Pow10(int(places%24)))
	})
}

// TestAppendFloat tries what counters and gauges are made of: numbers of all sizes with few decimal places, sums of
// those, and their neighbours, which have as many digits as there are.
func TestAppendFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sum := 0.0
	for range 200_000 {
		v := float64(r.Int64N(int64(math.Pow10(r.IntN(19))))) / math.Pow10(r.IntN(12))
		sum += v
		for _, f := range []float64{v, -v, sum, math.Nextafter(v, 0), math.Nextafter(v, math.Inf(1)), r.NormFloat64() * v} {
			checkFloat(t, f)
		}
	}
}

func BenchmarkAppendFloat(b *testing.B) {
	var buf []byte
	for name, v := range map[string]float64{"small": 42, "bytes": 8_262_737_920, "ticks": 31234.07, "nanoseconds": 12345.678912345, "long": 1.0 / 3} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				buf = appendFloat(buf[:0], v)
			}
		})
		b.Run(name+"/strconv", func(b *testing.B) {
			for b.Loop() {
				buf = strconv.AppendFloat(buf[:0], v, 'g', -1, 64)
			}
		})
	}
}
