package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/chronoops/chronoops/receiver/action"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// Prometheus asks one Prometheus server over its HTTP API.
type Prometheus struct {
	URL    string // without /api/v1
	Client *http.Client
}

// Holds implements Querier: the instant vector must have at least one series, none of them 0 or NaN.
func (p Prometheus) Holds(ctx context.Context, expr string) error {
	values, err := p.query(ctx, expr)
	if err != nil {
		return fmt.Errorf("%w: %w", action.ErrUnknown, err)
	}
	if len(values) == 0 {
		return errors.New("it returns nothing")
	}
	for _, v := range values {
		if v == 0 || v != v {
			return fmt.Errorf("it returns %v", v)
		}
	}
	return nil
}

func (p Prometheus) query(ctx context.Context, expr string) ([]float64, error) {
	form := strings.NewReader(url.Values{"query": {expr}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(p.URL, "/")+"/api/v1/query", form)
	if err != nil {
		return nil, errors.New("the URL of Prometheus is not valid")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask Prometheus: %w", withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read Prometheus' answer with status %d: %w", resp.StatusCode, err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("answer of Prometheus: %s", answer.Error)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answer of Prometheus: success with status %d", resp.StatusCode)
	}
	return parse(answer.Data.ResultType, answer.Data.Result)
}

// parse reads the values of an instant vector or a scalar.
func parse(kind string, result json.RawMessage) ([]float64, error) {
	var samples [][2]any
	switch kind {
	case "vector":
		var vector []struct{ Value [2]any }
		if err := json.Unmarshal(result, &vector); err != nil {
			return nil, fmt.Errorf("read vector: %w", err)
		}
		if vector == nil {
			return nil, errors.New("read vector: it is null")
		}
		for _, s := range vector {
			samples = append(samples, s.Value)
		}
	case "scalar":
		var scalar [2]any
		if err := json.Unmarshal(result, &scalar); err != nil {
			return nil, fmt.Errorf("read scalar: %w", err)
		}
		samples = append(samples, scalar)
	default:
		return nil, fmt.Errorf("the query returns a %s, want an instant vector or a scalar", kind)
	}
	values := make([]float64, 0, len(samples))
	for _, s := range samples {
		text, _ := s[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("read value %q: %w", text, err)
		}
		values = append(values, v)
	}
	return values, nil
}

// withoutURL drops the address from a client's error: it may hold a password.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
