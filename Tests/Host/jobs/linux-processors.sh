# A guest's processors come and go while it runs.
. /lib.sh

counted() { # PATTERN FILE: what Linux says in /sys/devices/system/cpu
    mark linux
    send linux "echo $2-\$(cat /sys/devices/system/cpu/$2)-"
    wait_console linux "^$2-$1-"
}
resize() { api PATCH /v1/vms/linux "{\"vps\":{\"count\":$1}}"; }
is_refused() { ! resize "$1" && same "$api_status" 400; }
has() { until_true "same \"\$(field linux .vps.present)\" $1"; }
bring() { # CPU...: as udev would
    mark linux
    for cpu in "$@"; do send linux "echo 1 > /sys/devices/system/cpu/cpu$cpu/online"; done
    send linux "echo brought-\$?"
    wait_console linux '^brought-0'
}
told() { # of 3, 4, 2 and 4 at least: what changes at once may be told as one
    curl -sS -f -H 'Accept: application/json' "$server/v1/events?vm=linux" >/tmp/events || return 1
    [ "$(grep -o vm.processors-changed /tmp/events | wc -l)" -ge 4 ]
}
ask_and_kill() { resize 4 && kill -9 $server_pid; }
threads() { ls "/proc/$(field linux .processId)/task" | while read -r task; do
    cat "/proc/$(field linux .processId)/task/$task/comm"
done | grep -c '^vp '; }

check "hvrootd starts on the test host" start_server || exit 0
linux linux 1 /guest/vmlinux >/dev/null
check "it can have 4 processors" api PATCH /v1/vms/linux '{"vps":{"count":1,"maximum":4}}'
check "it starts" verb linux start
check "it boots with one" wait_console linux 'GUEST-USERSPACE-OK.* cpus=1$'
check "and knows that there may be more" counted 0-3 possible
check "a number that it can't have is refused" is_refused 5
check "3 are asked for" resize 3
check "they are present" counted 0-2 present
bring 1 2
check "Linux runs on all of them" counted 0-2 online
mark linux
send linux 'for i in 1 2 3; do taskset -c $((i-1)) sh -c "i=0; while [ \$i -lt 20000 ]; do i=\$((i+1)); done" & done; wait; echo worked-$(grep -c ^processor /proc/cpuinfo)'
check "work is done on each" wait_console linux '^worked-3'
check "the API tells it" has 3
check "the server dies as soon as it has taken the wish for a fourth" ask_and_kill
check "another server takes over" start_server
check "the guest gets it" counted 0-3 present
bring 3
check "and runs on it" counted 0-3 online
check "two are to go" resize 2
check "they are gone when the guest has given them back" has 2
check "Linux runs on the others" counted 0-1 online
check "the threads of the others have ended" until_true 'same "$(threads)" 2'
check "they come again" resize 4
check "the guest has them" counted 0-3 present
bring 2 3
check "and runs on them again" counted 0-3 online
check "events told of the changes" told
mark linux
send linux 'reboot -f'
check "after a reboot from inside it has all from the beginning" wait_console linux 'GUEST-USERSPACE-OK.* cpus=4$'
check "it goes back to one" resize 1
check "which is all that it has" has 1
check "the guest has lived through it" counted 0 online
check "it is stopped" verb linux stop
check "it is off" wait_state linux stopped

# Where they run, and what their memory is made of.
worker() { field "$1" .processId; }
allowed() { # VM THREAD: the host processors of a thread of its worker
    for task in /proc/"$(worker "$1")"/task/*; do
        [ "$(cat "$task/comm")" = "$2" ] && sed -n 's/^Cpus_allowed_list:[^0-9]*//p' "$task/status" && return
    done
}
refused_for() { # FIELD...: everything that stands in the way, in one answer
    ! verb linux start 2>/dev/null || return 1
    same "$api_status" 503 || return 1
    same "$(tr ',' '\n' </tmp/api.body | sed -n 's/.*"field":"\([^"]*\)".*/\1/p' | sort -u | tr '\n' ' ')" "$*"
}
huge_free() { cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages; }

place() {
    api PATCH /v1/vms/linux '{"vps":{"count":2,"maximum":null},"memory":{"pages":"2MiB"},
        "placement":{"processors":"0","vps":{"1":"1"},"nodes":"0"}}'
}
is_unplaceable() { ! place 2>/dev/null && grep -q '"field":"/memory/pages"' /tmp/api.body; }
check "huge pages of a host without a pool are refused when they are asked for" is_unplaceable
echo 100 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
check "with a pool the VM is placed" place
check "one that is too small is told at the start" refused_for '/memory/pages '
echo 130 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
before=$(huge_free)
check "with enough it starts" verb linux start
mark linux
check "and boots" wait_console linux 'GUEST-USERSPACE-OK.* cpus=2$'
check "all of its memory is of the pool" same $((before - $(huge_free))) 128
check "one processor runs where the VM may" same "$(allowed linux 'vp 0')" 0
check "the other one where it alone may" same "$(allowed linux 'vp 1')" 1
mark linux
check "it is reset" verb linux reset
check "and boots again" wait_console linux 'GUEST-USERSPACE-OK.* cpus=2$'
verb linux stop >/dev/null
check "it is off again" wait_state linux stopped
check "the pool has its pages back" same "$(huge_free)" "$before"
both() {
    ! api PATCH /v1/vms/linux '{"placement":{"processors":"0-7","nodes":"3"}}' 2>/dev/null || return 1
    grep -q '"field":"/placement/processors"' /tmp/api.body && grep -q '"field":"/placement/nodes"' /tmp/api.body
}
check "other processors and nodes than there are, are named in one answer" both
