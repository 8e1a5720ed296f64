package notify

import (
	"context"
	"sync"
)

// Threads remembers the first message of an incident in a channel, so that later ones go into its thread.
type Threads interface {
	// Thread returns "" when there is none yet.
	Thread(ctx context.Context, channel string, incident int64) (string, error)
	SetThread(ctx context.Context, channel string, incident int64, ref string) error
}

// NewMemoryThreads remembers until the end of the process, and the latest incidents only. Notifiers that follow each
// other share one.
func NewMemoryThreads() Threads { return &memoryThreads{} }

type memoryThreads struct {
	mu    sync.Mutex
	refs  map[threadKey]string
	order []threadKey
}

type threadKey struct {
	channel  string
	incident int64
}

const keptThreads = 1000

func (m *memoryThreads) Thread(_ context.Context, channel string, incident int64) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refs[threadKey{channel, incident}], nil
}

func (m *memoryThreads) SetThread(_ context.Context, channel string, incident int64, ref string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := threadKey{channel, incident}
	if m.refs == nil {
		m.refs = map[threadKey]string{}
	}
	if _, ok := m.refs[key]; !ok {
		m.order = append(m.order, key)
	}
	m.refs[key] = ref
	if len(m.order) > keptThreads {
		delete(m.refs, m.order[0])
		m.order = m.order[1:]
	}
	return nil
}
