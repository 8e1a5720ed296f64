package host

import "github.com/chronoops/chronoops/collector"

const (
	micro = 1e6
	tenth = 10
)

var powerWords = []string{
	"capacity_level", "charge_type", "health", "manufacturer", "model_name", "scope", "serial_number", "status",
	"technology", "type", "usb_type",
}

// powerSupplies is Documentation/ABI/testing/sysfs-class-power. Where upstream gave a metric no unit it has the file's name.
var powerSupplies = attributeClass{
	name: "power_supply",
	numbers: map[string]attributeNumber{
		"authentic":                   {powerGauge("authentic", "1 if the supply is genuine."), 1},
		"calibrate":                   {powerGauge("calibrate", "1 while the battery is calibrated."), 1},
		"capacity":                    {powerGauge("capacity", "Charge in percent."), 1},
		"capacity_alert_max":          {powerGauge("capacity_alert_max", "Charge in percent above which the supply alerts."), 1},
		"capacity_alert_min":          {powerGauge("capacity_alert_min", "Charge in percent below which the supply alerts."), 1},
		"cycle_count":                 {powerGauge("cyclecount", "Full cycles of charging and discharging."), 1},
		"online":                      {powerGauge("online", "1 if the supply delivers, 2 if its voltage is programmable."), 1},
		"present":                     {powerGauge("present", "1 if the battery is present."), 1},
		"time_to_empty_now":           {powerGauge("time_to_empty_seconds", "Seconds until the battery is empty."), 1},
		"time_to_full_now":            {powerGauge("time_to_full_seconds", "Seconds until the battery is full."), 1},
		"current_boot":                {powerGauge("current_boot", "Current at boot in amperes."), micro},
		"current_max":                 {powerGauge("current_max", "Highest current in amperes."), micro},
		"current_now":                 {powerGauge("current_ampere", "Current in amperes."), micro},
		"energy_empty":                {powerGauge("energy_empty", "Energy in watt hours at which the battery counts as empty."), micro},
		"energy_empty_design":         {powerGauge("energy_empty_design", "Energy in watt hours at which the battery was meant to count as empty."), micro},
		"energy_full":                 {powerGauge("energy_full", "Energy of the full battery in watt hours."), micro},
		"energy_full_design":          {powerGauge("energy_full_design", "Energy in watt hours that the full battery was made for."), micro},
		"energy_now":                  {powerGauge("energy_watthour", "Energy in watt hours."), micro},
		"voltage_boot":                {powerGauge("voltage_boot", "Voltage at boot in volts."), micro},
		"voltage_max":                 {powerGauge("voltage_max", "Highest voltage in volts."), micro},
		"voltage_max_design":          {powerGauge("voltage_max_design", "Highest voltage in volts that the supply was made for."), micro},
		"voltage_min":                 {powerGauge("voltage_min", "Lowest voltage in volts."), micro},
		"voltage_min_design":          {powerGauge("voltage_min_design", "Lowest voltage in volts that the supply was made for."), micro},
		"voltage_now":                 {powerGauge("voltage_volt", "Voltage in volts."), micro},
		"voltage_ocv":                 {powerGauge("voltage_ocv", "Voltage of the open circuit in volts."), micro},
		"charge_control_limit":        {powerGauge("charge_control_limit", "Limit of charging in force."), micro},
		"charge_control_limit_max":    {powerGauge("charge_control_limit_max", "Highest limit of charging."), micro},
		"charge_counter":              {powerGauge("charge_counter", "Charge counted in ampere hours."), micro},
		"charge_empty":                {powerGauge("charge_empty", "Charge in ampere hours at which the battery counts as empty."), micro},
		"charge_empty_design":         {powerGauge("charge_empty_design", "Charge in ampere hours at which the battery was meant to count as empty."), micro},
		"charge_full":                 {powerGauge("charge_full", "Charge of the full battery in ampere hours."), micro},
		"charge_full_design":          {powerGauge("charge_full_design", "Charge in ampere hours that the full battery was made for."), micro},
		"charge_now":                  {powerGauge("charge_ampere", "Charge in ampere hours."), micro},
		"charge_term_current":         {powerGauge("charge_term_current", "Current in amperes at which charging ends."), micro},
		"constant_charge_current":     {powerGauge("constant_charge_current", "Current of charging in amperes."), micro},
		"constant_charge_current_max": {powerGauge("constant_charge_current_max", "Highest current of charging in amperes."), micro},
		"constant_charge_voltage":     {powerGauge("constant_charge_voltage", "Voltage of charging in volts."), micro},
		"constant_charge_voltage_max": {powerGauge("constant_charge_voltage_max", "Highest voltage of charging in volts."), micro},
		"precharge_current":           {powerGauge("precharge_current", "Current in amperes at the begin of charging."), micro},
		"input_current_limit":         {powerGauge("input_current_limit", "Highest current in amperes drawn from the supply."), micro},
		"power_now":                   {powerGauge("power_watt", "Power in watts."), micro},
		"temp":                        {powerGauge("temp_celsius", "Temperature in degrees Celsius."), tenth},
		"temp_alert_max":              {powerGauge("temp_alert_max_celsius", "Temperature in degrees Celsius above which the supply alerts."), tenth},
		"temp_alert_min":              {powerGauge("temp_alert_min_celsius", "Temperature in degrees Celsius below which the supply alerts."), tenth},
		"temp_ambient":                {powerGauge("temp_ambient_celsius", "Temperature around the supply in degrees Celsius."), tenth},
		"temp_ambient_max":            {powerGauge("temp_ambient_max_celsius", "Highest temperature around the supply in degrees Celsius."), tenth},
		"temp_ambient_min":            {powerGauge("temp_ambient_min_celsius", "Lowest temperature around the supply in degrees Celsius."), tenth},
		"temp_max":                    {powerGauge("temp_max_celsius", "Highest temperature in degrees Celsius."), tenth},
		"temp_min":                    {powerGauge("temp_min_celsius", "Lowest temperature in degrees Celsius."), tenth},
	},
	words: powerWords,
	info:  powerGauge("info", "What is known about the power supply besides numbers.", powerWords...),
}

var powerArea = area{
	name: "powersupplyclass", families: powerSupplies.families(),
	open: func(s *sources) (reader, error) {
		skip, err := s.o.Power.skip()
		if err != nil {
			return nil, err
		}
		return powerSupplies.reader(s, skip), nil
	},
}

func powerGauge(name, help string, labels ...string) *collector.Family {
	return gauge("node_power_supply_"+name, help, append([]string{"power_supply"}, labels...)...)
}
