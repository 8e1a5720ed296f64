package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/alertmanager/config"
)

// integrationKeys lists the keys of Alertmanager's receiver that hold integrations.
func integrationKeys() []string {
	var keys []string
	for field := range reflect.TypeFor[config.Receiver]().Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if strings.HasSuffix(key, "_configs") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// loadReceiver has Alertmanager load one receiver out of a synthetic configuration: only its loader fills the defaults
// that the integrations rely on, and JSON of values as they were written is YAML with the credentials in it.
func loadReceiver(global map[string]any, name string, integrations map[string]any) (*config.Receiver, error) {
	rcv := map[string]any{"name": name}
	maps.Copy(rcv, integrations)
	doc := map[string]any{"route": map[string]any{"receiver": name}, "receivers": []any{rcv}}
	if len(global) > 0 {
		doc["global"] = global
	}
	plain, err := plainValue(doc)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("encode for Alertmanager's loader: %w", err)
	}
	loaded, err := config.Load(string(text))
	if err != nil {
		return nil, loadError(err)
	}
	return &loaded.Receivers[0], nil
}

// plainValue makes a decoded value fit for JSON.
func plainValue(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			p, err := plainValue(value)
			if err != nil {
				return nil, err
			}
			out[key] = p
		}
		return out, nil
	case map[any]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			s, ok := key.(string)
			if !ok {
				return nil, fmt.Errorf("key %v is not a string: quote it", key)
			}
			p, err := plainValue(value)
			if err != nil {
				return nil, err
			}
			out[s] = p
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(v))
		for _, value := range v {
			p, err := plainValue(value)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
		return out, nil
	}
	return v, nil
}

var (
	loaderLine  = regexp.MustCompile(`(?m)^\s*(yaml: )?line \d+: `)
	loaderField = regexp.MustCompile(`field (\S+) not found in type \S+`)
	loaderValue = regexp.MustCompile("(!!\\w+) `[^`]*`")
	loaderURL   = regexp.MustCompile(`(parse|URL) "[^"]*"`)
)

// loadError says in our words what Alertmanager's loader found. Its own words quote the beginning of bad values, which
// may be credentials, and name lines of the synthetic document.
func loadError(err error) error {
	text := err.Error()
	text = strings.TrimPrefix(text, "yaml: unmarshal errors:\n")
	text = loaderLine.ReplaceAllString(text, "")
	text = loaderField.ReplaceAllString(text, `unknown key "$1": compare its spelling with Alertmanager's documentation`)
	text = loaderValue.ReplaceAllString(text, "$1 value")
	text = loaderURL.ReplaceAllString(text, "$1")
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
	return errors.New(text)
}

// checkBlock looks at one *_configs value before Alertmanager does.
func checkBlock(key string, block any) error {
	list, ok := block.([]any)
	if !ok || len(list) == 0 {
		return fmt.Errorf("%s must be a list with at least one entry, each beginning with \"-\"", key)
	}
	for i, entry := range list {
		p, err := plainValue(entry)
		if err != nil {
			return fmt.Errorf("%s[%d]: %w", key, i, err)
		}
		if _, ok := p.(map[string]any); !ok {
			return fmt.Errorf("%s[%d] must be a mapping of settings", key, i)
		}
		if name := templatedRecipient(p, false); name != "" {
			return fmt.Errorf("%s[%d]: %s must not be a template: who is told may not depend on an alert's labels", key, i, name)
		}
	}
	return nil
}

// templatedRecipient finds a setting that would let an alert choose host or recipient.
func templatedRecipient(v any, inside bool) string {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			recipient := inside || slices.Contains(recipientKeys(), key)
			if s, ok := v[key].(string); ok && recipient && strings.Contains(s, "{{") {
				return key
			}
			if name := templatedRecipient(v[key], recipient); name != "" {
				return name
			}
		}
	case []any:
		for _, value := range v {
			if name := templatedRecipient(value, inside); name != "" {
				return name
			}
		}
	}
	return ""
}

func recipientKeys() []string {
	return []string{
		"url", "api_url", "app_url", "webhook_url", "channel", "channel_id", "to", "from", "smarthost", "routing_key",
		"service_key", "to_user", "to_party", "to_tag", "agent_id", "chat_id", "room_id", "topic_arn", "target_arn",
		"phone_number", "user_key", "token", "api_key", "bot_token", "project", "responders", "http_config",
	}
}

// withResolved makes each entry send resolved notices unless it says otherwise: whoever was paged is told the end.
func withResolved(integrations map[string]any) map[string]any {
	out := make(map[string]any, len(integrations))
	for key, block := range integrations {
		list, _ := block.([]any)
		entries := make([]any, 0, len(list))
		for _, entry := range list {
			p, err := plainValue(entry)
			settings, ok := p.(map[string]any)
			if err != nil || !ok {
				entries = append(entries, entry)
				continue
			}
			if _, said := settings["send_resolved"]; !said {
				settings["send_resolved"] = true
			}
			entries = append(entries, settings)
		}
		out[key] = entries
	}
	return out
}
