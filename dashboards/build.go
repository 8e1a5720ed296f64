package dashboards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
)

const (
	schemaVersion = 39 // Grafana 10.4; newer ones migrate it
	gridWidth     = 24
	minInterval   = "30s"
	// scope limits every query to what the variables choose.
	scope = `job=~"$job", instance=~"$instance"`
)

var prometheus = datasource{Type: "prometheus", UID: "${datasource}"}

// chart is a panel before it has a place.
type chart struct {
	title, about string
	alerts       []string // whose runbooks the panel links to
	unit         string
	min, max     *float64
	noValue      string
	steps        []step
	mappings     []any
	stat         bool // one number rather than lines
	stacked      bool
	queries      []query
	width        int
}

type query struct{ expr, legend string }

// section is a row and the charts below it.
type section struct {
	title  string
	height int
	charts []chart
}

// layout places the sections one below the other, filling lines of the grid from the left.
func layout(sections []section) []panel {
	var panels []panel
	y := 0
	for _, s := range sections {
		collapsed := false
		panels = append(panels, panel{
			ID: panelID(s.title), Type: "row", Title: s.title, Collapsed: &collapsed, Panels: []panel{},
			GridPos: gridPos{H: 1, W: gridWidth, X: 0, Y: y},
		})
		y++
		x := 0
		for _, c := range s.charts {
			if x+c.width > gridWidth {
				x, y = 0, y+s.height
			}
			panels = append(panels, c.panel(gridPos{H: s.height, W: c.width, X: x, Y: y}))
			x += c.width
		}
		y += s.height
	}
	return panels
}

func (c chart) panel(at gridPos) panel {
	p := panel{
		ID: panelID(c.title), Type: "timeseries", Title: c.title, Description: c.about, GridPos: at,
		Datasource: &prometheus, Interval: minInterval,
		FieldConfig: &fieldConfig{Overrides: []any{}, Defaults: fieldDefaults{
			Unit: c.unit, Min: c.min, Max: c.max, NoValue: c.noValue, Mappings: c.mappings,
			Color:      map[string]any{"mode": "palette-classic"},
			Thresholds: thresholds{Mode: "absolute", Steps: c.steps},
		}},
	}
	if p.FieldConfig.Defaults.Mappings == nil {
		p.FieldConfig.Defaults.Mappings = []any{}
	}
	if c.steps == nil {
		p.FieldConfig.Defaults.Thresholds.Steps = levels()
	}
	if c.stat {
		p.asStat()
	} else {
		p.asTimeSeries(c)
	}
	for i, q := range c.queries {
		p.Targets = append(p.Targets, target{
			RefID: string(rune('A' + i)), Datasource: prometheus, Expr: q.expr, LegendFormat: q.legend, Instant: c.stat, Range: !c.stat,
		})
	}
	for _, alert := range c.alerts {
		p.Links = append(p.Links, link{Title: "Runbook " + alert, URL: runbookBase + alert, TargetBlank: true})
	}
	return p
}

func (p *panel) asStat() {
	p.Type = "stat"
	p.FieldConfig.Defaults.Color = map[string]any{"mode": "thresholds"}
	p.Options = map[string]any{
		"colorMode": "background", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	}
}

func (p *panel) asTimeSeries(c chart) {
	fill, stacking, line := 0, "none", "off"
	if c.stacked {
		fill, stacking = 40, "normal"
	}
	if len(c.steps) > 1 {
		line = "dashed"
	}
	p.FieldConfig.Defaults.Custom = map[string]any{
		"drawStyle": "line", "fillOpacity": fill, "lineWidth": 1, "showPoints": "never", "spanNulls": false,
		"stacking":        map[string]any{"group": "A", "mode": stacking},
		"thresholdsStyle": map[string]any{"mode": line},
	}
	p.Options = map[string]any{
		"legend":  map[string]any{"calcs": []string{"lastNotNull", "max"}, "displayMode": "table", "placement": "bottom", "showLegend": true},
		"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
	}
}

// levels colours values green, from the first bound on (if it is below the last) orange, from the last on red.
func levels(bounds ...float64) []step {
	steps := []step{{Color: "green"}}
	for i, b := range bounds {
		colour := "orange"
		if i == len(bounds)-1 {
			colour = "red"
		}
		steps = append(steps, step{Color: colour, Value: &b})
	}
	return steps
}

// downAt0 and its words are for gauges that are 1 when all is well.
func downAt0() []step {
	one := 1.0
	return []step{{Color: "red"}, {Color: "green", Value: &one}}
}

func upOrDown() []any {
	return []any{map[string]any{"type": "value", "options": map[string]any{
		"0": map[string]any{"text": "down", "index": 0},
		"1": map[string]any{"text": "up", "index": 1},
	}}}
}

// panelID derives a panel's number from its title, so that links to it survive changes elsewhere.
func panelID(title string) int {
	h := fnv.New32a()
	h.Write([]byte(title))
	return int(h.Sum32()%1_000_000) + 1
}

// encode writes JSON with sorted keys and unescaped text, as it is kept in the repository.
func encode(d dashboard) ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode dashboard %s: %w", d.UID, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	var sorted map[string]any
	if err := decoder.Decode(&sorted); err != nil {
		return nil, fmt.Errorf("encode dashboard %s: %w", d.UID, err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(sorted); err != nil {
		return nil, fmt.Errorf("encode dashboard %s: %w", d.UID, err)
	}
	return out.Bytes(), nil
}
