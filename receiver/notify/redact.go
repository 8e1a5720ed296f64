package notify

import (
	"slices"
	"strings"
)

const hidden = "<secret>"

// redact returns a value as it may be shown: numbers, switches and the settings known to be harmless stay, all other
// strings are hidden, as a URL or a free text may hold a credential.
func redact(v any, key string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, value := range v {
			out[k] = redact(value, k)
		}
		return out
	case map[any]any:
		out := make(map[any]any, len(v))
		for k, value := range v {
			s, _ := k.(string)
			out[k] = redact(value, s)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, value := range v {
			out = append(out, redact(value, key))
		}
		return out
	case string:
		if v == "" || strings.HasSuffix(key, "_file") || slices.Contains(harmlessKeys(), key) {
			return v
		}
		return hidden
	}
	return v
}

func harmlessKeys() []string {
	return []string{
		"smtp_smarthost", "smtp_from", "smtp_hello", "smtp_auth_username", "resolve_timeout",
		"to", "from", "smarthost", "channel", "chat_id", "timeout", "severity",
	}
}
