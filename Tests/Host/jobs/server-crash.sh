# The server ends in every way while guests run; a worker dies beside others.
. /lib.sh

kill_server() { # kill_server SIGNAL
    kill "-$1" $server_pid
    until_true '! [ -e /proc/$server_pid/exe ]' 30
}
identity() { # what a client must find unchanged
    api GET "/v1/vms/$1" >/tmp/identity.json
    for member in .id .partitionId .startedAt .createdAt .processId; do
        echo "$member $(json $member </tmp/identity.json)"
    done
}
guest_answers() {
    mark "$1"
    send "$1" "echo answer-\$(($2 * 7))" && wait_console "$1" "answer-$(($2 * 7))"
}
console_begins_as_before() {
    rm -f /tmp/console.linux*
    pull_console linux
    head -c "$(wc -c </tmp/history)" /tmp/console.linux | cmp - /tmp/history
}
kept_by_the_next_server() { # kept_by_the_next_server SIGNAL
    pull_console linux
    cp /tmp/console.linux /tmp/history
    identity linux >/tmp/before
    kill_server "$1"
    [ -e "/proc/$(sed -n 's/^.processId //p' /tmp/before)/exe" ] || { echo "the worker is gone"; return 1; }
    start_server || return 1
    wait_state linux running && identity linux >/tmp/after && cmp /tmp/before /tmp/after
}
killed_by() { same "$(field "$1" .stateReason.code) $(field "$1" .stateReason.signal)" "worker-killed 9"; }
accepted_and_kept() { # a create and a change, each followed by kill -9 as soon as it is answered
    api POST /v1/vms '{"id":"kept","boot":{"kernel":"builtin:demo"},"labels":{"a":"1"}}' >/dev/null || return 1
    kill_server KILL
    start_server && same "$(field kept .state)" defined || return 1
    curl -sS -f -o /dev/null -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{"labels":{"b":"2"}}' \
        $server/v1/vms/kept || return 1
    kill_server KILL
    start_server && same "$(field kept .labels.a)$(field kept .labels.b)" 12
}

check "hvrootd starts on the test host" start_server || exit 0
check "an accepted create and change survive kill -9 of the server" accepted_and_kept

linux linux 1 /guest/vmlinux >/dev/null
verb linux start >/dev/null
check "a Linux guest boots" wait_console linux 'GUEST-USERSPACE-OK'

check "kill -9 of the server: the next one has the same running VM" kept_by_the_next_server KILL
check "kill -9 of the server: the console's history is kept" console_begins_as_before
check "kill -9 of the server: the guest answers" guest_answers linux 6
check "SIGTERM of the server: the next one has the same running VM" kept_by_the_next_server TERM
check "SIGTERM of the server: the guest answers" guest_answers linux 8

demo victim >/dev/null
verb victim start >/dev/null
check "a second VM runs" wait_console victim 'ready>'
kill -KILL "$(field victim .processId)"
check "kill -9 of a worker: its VM becomes failed" wait_state victim failed
check "kill -9 of a worker: the reason names the signal" killed_by victim
check "kill -9 of a worker: the other VM goes on" guest_answers linux 9
verb victim start >/dev/null
check "kill -9 of a worker: its VM can be started again" wait_state victim running

kill -KILL "$(field linux .processId)"
check "kill -9 of an adopted worker: its VM becomes failed" wait_state linux failed
