# A stock Linux kernel as a guest, through the API: boot, console, pause, reboot, power off.
. /lib.sh

host_is_real() {
    api GET /v1/host >/tmp/host.json
    same "$(json .hypervisor.kind </tmp/host.json)" $hypervisor && grep -q 'mulated": *false' /tmp/host.json
}
answers() { # answers VM NUMBER: a command typed on the console is carried out
    mark "$1"
    send "$1" "echo answer-\$(($2 * 7))" && wait_console "$1" "answer-$(($2 * 7))"
}
console_stands_still() {
    still_from=$(console_bytes linux)
    sleep 4
    same "$(console_bytes linux)" "$still_from"
}
run_time_stands_still() {
    still_from=$(metric hvroot_vp_run_time_seconds_total 'vm="linux"')
    sleep 2
    same "$(metric hvroot_vp_run_time_seconds_total 'vm="linux"')" "$still_from"
}
reboots() { metric hvroot_vm_reboots_total 'vm="linux"'; }

check "hvrootd starts on the test host" start_server || exit 0
check "the host says that it has $hypervisor and that its processor is not emulated" host_is_real

linux linux 1 /guest/vmlinux >/dev/null
check "a Linux guest starts" verb linux start
check "an ELF kernel boots to userspace with 1 processor" wait_console linux 'GUEST-USERSPACE-OK.* cpus=1$'
check "its state is running" wait_state linux running
check "a command typed on the console is answered" answers linux 6

send linux '(while usleep 200000; do echo tick-$(cat /proc/uptime); done) & ticker=$!'
check "a clock in the guest ticks on the console" wait_console linux '^tick-'
verb linux pause >/dev/null
check "pause: the state becomes paused" wait_state linux paused
check "pause: the guest's clock stops answering" console_stands_still
check "pause: its processor uses no time" run_time_stands_still
mark linux
verb linux resume >/dev/null
check "resume: the state becomes running" wait_state linux running
check "resume: the clock ticks again" wait_console linux '^tick-'
send linux 'kill $ticker'
check "resume: commands are answered again" answers linux 8

mark linux
send linux 'reboot -f'
check "reboot from inside: the guest boots again" wait_console linux 'GUEST-USERSPACE-OK'
check "reboot from inside: the VM has stayed running" same "$(state linux)" running
check "reboot from inside: it is counted" same "$(reboots)" 1
check "reboot from inside: commands are answered" answers linux 9

send linux 'poweroff -f'
check "poweroff from inside: the state becomes stopped" wait_state linux stopped
check "poweroff from inside: the reason says so" same "$(field linux .stateReason.code)" guest-poweroff
check "no worker is left" until_true '! pidof hvroot-partition >/dev/null' 30

demo button >/dev/null
verb button start >/dev/null
check "the project's own guest boots to its prompt" wait_console button 'ready>'
check "shutdown presses the power button" verb button shutdown
check "shutdown: the guest powers off" wait_state button stopped
