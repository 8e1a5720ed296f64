package hosttest

import (
	"fmt"
	"strings"
)

// sensors writes sys/class/hwmon: the cores of each socket, a chip of the board, the disk, a graphics card, a power
// meter, an Apple fan, two chips of one device, and one chip without a device.
func sensors(t *tree, cpus int) {
	n := 0
	chip := func(parent, dir, name, attrs string) {
		path := fmt.Sprintf("sys/devices/%s%shwmon%d", parent, dir, n)
		if dir == "" {
			parent = ""
		} else {
			parent = "sys/devices/" + parent
		}
		t.device("hwmon", path, parent)
		t.attrs(path, attrs)
		if name != "" {
			t.attrs(path, "name "+name)
		}
		n++
	}
	for socket := range sockets {
		var b strings.Builder
		fmt.Fprintf(&b, "temp1_label Package id %d\ntemp1_input 55000\ntemp1_max 84000\ntemp1_crit 100000\ntemp1_crit_alarm 0\n", socket)
		for core := range cpus / 2 / sockets {
			i := core + 2
			fmt.Fprintf(&b, "temp%d_label Core %d\ntemp%d_input %d\ntemp%d_max 84000\ntemp%d_crit 100000\ntemp%d_crit_alarm %d\n",
				i, core, i, 50000+500*core, i, i, i, core%2)
		}
		chip(fmt.Sprintf("platform/coretemp.%d", socket), "/hwmon/", "coretemp", b.String())
	}
	chip("platform/nct6775.656", "/hwmon/", "nct6798", board)
	chip(nvmePath+"/nvme0", "/", "nvme", `
		temp1_alarm 0
		temp1_crit 84850
		temp1_input 38850
		temp1_label Composite
		temp1_max 81850
		temp1_min -273150
	`)
	chip("pci0000:00/0000:00:1e.0/0000:05:00.0", "/hwmon/", "amdgpu", `
		freq1_input 214000000
		freq1_label sclk
		freq2_input 300000000
		freq2_label Mem Clock
		freq3_input 100000000
		power1_average 7236000
		power1_cap 130000000
		power1_label slowPPT
		in0_input 781
		in0_label vddgfx
		temp1_input 42000
		temp1_label edge |
		pwm1_enable 2
	`)
	chip("LNXSYSTM:00/LNXSYBUS:00/ACPI000D:00", "/hwmon/", "power_meter", `
		power1_average 331000000
		power1_average_interval 1000
		power1_average_interval_max 300000
		power1_average_interval_min 30000
		power1_is_battery 0
		power1_accuracy 95.0%
		energy1_input 12345678901
		curr1_input 1432
		curr1_max 9000
		humidity1_input 45000
		update_interval 1000
		beep_enable 1
		vrm 90
	`)
	chip("platform/applesmc.768", "/hwmon/", "", "")
	t.attrs("sys/devices/platform/applesmc.768", `
		fan1_input 1998
		fan1_label Left side
		fan1_manual 0
		fan1_max 6156
		fan1_min 2160
		fan1_output 2160
		fan1_safe 2160
		name applesmc
	`)
	chip("platform/asus-nb-wmi", "/hwmon/", "asus", "fan1_input 3200\ntemp1_fault 0\ntemp1_beep 1")
	chip("platform/asus-nb-wmi", "/hwmon/", "asus_custom_fan_curve", "pwm1_enable 2")
	chip("virtual/hwmon/", "", "acpitz", "temp1_input 27800\ntemp1_crit 119000")
}

// board is what a chip of the nct6775 family shows (Documentation/hwmon/nct6775.rst).
const board = `
	beep_enable 1
	in0_alarm 1
	in0_beep 0
	in0_input 792
	in0_max 1744
	in0_min 0
	in1_alarm 0
	in1_beep 0
	in1_input 1024
	in1_label +12V
	in1_max 0
	in1_min 0
	fan1_alarm 0
	fan1_beep 1
	fan1_input 1098
	fan1_min 0
	fan1_pulses 2
	fan1_target 27000
	fan1_tolerance 0
	fan2_alarm 1
	fan2_beep 0
	fan2_input 0
	fan2_label CPU "left" \ fan
	fan2_max 9000
	fan2_min 0
	fan2_pulses 2
	intrusion0_alarm 1
	intrusion0_beep 0
	temp1_alarm 0
	temp1_beep 0
	temp1_input 36000
	temp1_label SYSTIN
	temp1_max 80000
	temp1_max_hyst 75000
	temp1_offset 0
	temp1_type 4
	pwm1 153
	pwm1_auto_point1_pwm 153
	pwm1_auto_point1_temp 30000
	pwm1_auto_point2_pwm 255
	pwm1_auto_point2_temp 70000
	pwm1_auto_point3_pwm 255
	pwm1_auto_point3_temp 70000
	pwm1_auto_point4_pwm 255
	pwm1_auto_point4_temp 70000
	pwm1_auto_point5_pwm 255
	pwm1_auto_point5_temp 75000
	pwm1_crit_temp_tolerance 2000
	pwm1_enable 5
	pwm1_floor 1
	pwm1_mode 0
	pwm1_start 1
	pwm1_step_down_time 100
	pwm1_step_up_time 100
	pwm1_stop_time 6000
	pwm1_target_temp 0
	pwm1_temp_sel 7
	pwm1_temp_tolerance 0
	pwm1_weight_duty_base 0
	pwm1_weight_duty_step 0
	pwm1_weight_temp_sel 1
	pwm1_weight_temp_step 0
	pwm1_weight_temp_step_base 0
	pwm1_weight_temp_step_tol 0
	uevent X=1
`
