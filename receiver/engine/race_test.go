//go:build race

package engine_test

// stride leaves out points to die at: under the race detector each life takes ten times as long. `make test` visits all
// of them without it.
const stride = 29
