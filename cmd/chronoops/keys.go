package main

import (
	"reflect"
	"slices"
	"strings"
)

// configKeys lists every key that the configuration knows, for suggestions.
func configKeys() []string {
	var keys []string
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
			walk(t.Elem())
		case reflect.Struct:
			if seen[t] {
				return
			}
			seen[t] = true
			for f := range t.Fields() {
				if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" && name != "-" {
					keys = append(keys, name)
				}
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[config]())
	slices.Sort(keys)
	return slices.Compact(keys)
}

// nearest returns the key that differs from a mistyped one by at most two letters, or "".
func nearest(word string, keys []string) string {
	best, bestDistance := "", 3
	for _, k := range keys {
		if d := distance(word, k); d < bestDistance && d < len(word) {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is Levenshtein's: inserted, dropped and replaced letters.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		previous := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			previous, row[j] = row[j], min(row[j]+1, row[j-1]+1, previous+cost)
		}
	}
	return row[len(b)]
}
