package collector

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/prometheus/common/expfmt"
)

// keepBuffer is how large a buffer may be, in bytes, that is kept for the next scrape.
const keepBuffer = 16 << 20

// encoders encode snapshots, no more at a time than there are processors: an answer's plain text is many times what is
// sent, and waits for no client.
type encoders struct {
	slots chan struct{}
	pool  *sync.Pool // of *encoder
}

// encoder is what one encoding works with and the next one takes over.
type encoder struct {
	text       []byte // an answer before compression
	compressor compressor
}

func newEncoders() encoders {
	return encoders{
		slots: make(chan struct{}, runtime.GOMAXPROCS(0)),
		pool:  &sync.Pool{New: func() any { return new(encoder) }},
	}
}

// encode appends the snapshot to b in a format and a coding.
func (e encoders) encode(b []byte, format expfmt.Format, to coding, snap *Snapshot) ([]byte, error) {
	e.slots <- struct{}{}
	defer func() { <-e.slots }()
	if to == codingIdentity {
		return appendPlain(b, format, snap)
	}
	enc := e.pool.Get().(*encoder)
	defer func() {
		if cap(enc.text) <= keepBuffer {
			e.pool.Put(enc)
		}
	}()
	text, err := appendPlain(enc.text[:0], format, snap)
	if err != nil {
		return nil, err
	}
	enc.text = text
	if to == codingZstd {
		return enc.compressor.appendZstd(b, text)
	}
	return enc.compressor.appendGzip(b, text)
}

// appendPlain appends the snapshot in a format, not compressed.
func appendPlain(b []byte, format expfmt.Format, snap *Snapshot) ([]byte, error) {
	if format.FormatType() == expfmt.TypeTextPlain {
		return snap.AppendText(b), nil
	}
	buf := bytes.NewBuffer(b)
	if err := encode(buf, format, snap); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// encode writes the snapshot with Prometheus' own encoders.
func encode(w io.Writer, format expfmt.Format, snap *Snapshot) error {
	mfs, err := snap.Gather()
	if err != nil {
		return err
	}
	if format.FormatType() == expfmt.TypeOpenMetrics {
		distinguish(mfs)
	}
	enc := expfmt.NewEncoder(w, format)
	for _, mf := range mfs {
		if err := enc.Encode(mf); err != nil {
			return fmt.Errorf("encode %s: %w", mf.GetName(), err)
		}
	}
	if c, ok := enc.(expfmt.Closer); ok {
		return c.Close()
	}
	return nil
}
