//go:build !race

package engine_test

// stride is 1: the child dies at every call.
const stride = 1
