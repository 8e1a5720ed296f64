package main

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// keysBeside returns the keys that the configuration knows in the map that a key on a line stands in, or nil.
func keysBeside(n *yaml.Node, t reflect.Type, key string, line int) []string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case n.Kind == yaml.DocumentNode && len(n.Content) > 0:
		return keysBeside(n.Content[0], t, key, line)
	case n.Kind == yaml.AliasNode || t == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		if t.Kind() == reflect.Map { // a list that stands for the map's entry "default"
			t = t.Elem()
		}
		if t.Kind() != reflect.Slice {
			return nil
		}
		for _, entry := range n.Content {
			if keys := keysBeside(entry, t.Elem(), key, line); keys != nil {
				return keys
			}
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		for i := 1; i < len(n.Content); i += 2 {
			if keys := keysBeside(n.Content[i], t.Elem(), key, line); keys != nil {
				return keys
			}
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		fields := map[string]reflect.Type{}
		yamlFields(t, fields)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key && n.Content[i].Line == line {
				return sortedKeys(fields)
			}
			if keys := keysBeside(n.Content[i+1], fields[n.Content[i].Value], key, line); keys != nil {
				return keys
			}
		}
	}
	return nil
}

// yamlFields collects the keys of a struct with their types, those of inlined structs included.
func yamlFields(t reflect.Type, into map[string]reflect.Type) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline") && f.Type.Kind() == reflect.Struct:
			yamlFields(f.Type, into)
		case name != "" && name != "-":
			into[name] = f.Type
		}
	}
}

func sortedKeys(fields map[string]reflect.Type) []string {
	keys := make([]string, 0, len(fields))
	for k := range fields {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
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
