# What the jobs share; sourced as /lib.sh in the test host (busybox sh, curl, hvrootd, hvroot-partition).
# A check prints `CHECK PASS name` or `CHECK FAIL name: why`; Tests/Host/run counts these lines.
# Everything in here is emulated, so limits are generous: they tell a hang, not a speed.

server=http://127.0.0.1:7480
state_dir=/run/state
run_dir=/run/hvroot
limit=120 # seconds that any one thing may take

now() { cut -d. -f1 /proc/uptime; }

# The hypervisor under test. There is no Hyper-V in the test host: mshv is our emulator of /dev/mshv over KVM.
hypervisor=${hypervisor:-kvm}
case $hypervisor in
mshv) launch='/bin/hvrootctl mshv-emulate --' ;;
*) launch='' ;;
esac

# start_server [ARGUMENT...]: starts hvrootd and waits until it is ready; $server_pid.
start_server() {
    mkdir -p $state_dir $run_dir
    $launch /bin/hvrootd --listen $server --listen unix:$run_dir/hvroot.sock --state-dir $state_dir --run-dir $run_dir \
        --hypervisor $hypervisor --log-level info "$@" >>/tmp/hvrootd.log 2>&1 &
    server_pid=$!
    until_true 'curl -s -f -o /dev/null --max-time 5 $server/readyz' && return 0
    echo "hvrootd did not become ready; its log:"
    tail -n 20 /tmp/hvrootd.log
    return 1
}

# until_true COMMAND [SECONDS]: repeats it until it succeeds; fails after the limit.
until_true() {
    until_deadline=$(($(now) + ${2:-$limit}))
    until eval "$1"; do
        [ "$(now)" -ge $until_deadline ] && return 1
        sleep 0.3
    done
}

# api METHOD PATH [JSON]: the body on standard output; fails on an error status, with the body on standard error too.
api() {
    if [ $# -ge 3 ]; then
        set -- -X "$1" -H 'Content-Type: application/json' --data-binary "$3" "$server$2"
    else
        set -- -X "$1" "$server$2"
    fi
    api_status=$(curl -sS --max-time 60 -o /tmp/api.body -w '%{http_code}' "$@") || return 1
    cat /tmp/api.body
    case $api_status in
    2*) return 0 ;;
    *)
        echo "$* answered $api_status: $(head -c 400 /tmp/api.body)" >&2
        return 1
        ;;
    esac
}

# json PATH: a value of the JSON on standard input: `json .stateReason.code`. Nothing where there is no such value.
json() { awk -v want="$1" -f /json.awk; }

# field VM PATH: a value of a VM's resource.
field() { api GET "/v1/vms/$1" | json "$2"; }
state() { field "$1" .state; }

# wait_state VM STATE [SECONDS]
wait_state() {
    until_true "[ \"\$(state $1)\" = $2 ]" "$3" && return 0
    echo "$1 did not become $2: $(api GET "/v1/vms/$1" | head -c 600)"
    return 1
}

# pull_console VM: appends what is new of the console's log to /tmp/console.VM.
pull_console() {
    pull_from=$(cat "/tmp/console.$1.offset" 2>/dev/null || echo 0)
    while :; do
        curl -sS -f --max-time 30 -D /tmp/pull.headers -o /tmp/pull.body "$server/v1/vms/$1/console?offset=$pull_from" ||
            return 1
        cat /tmp/pull.body >>"/tmp/console.$1"
        pull_next=$(tr -d '\r' </tmp/pull.headers | sed -n 's/^[Cc]onsole-[Oo]ffset: *//p')
        [ "$pull_next" = "$pull_from" ] && break
        pull_from=$pull_next
        [ -s /tmp/pull.body ] || break
    done
    echo "$pull_from" >"/tmp/console.$1.offset"
}

# mark VM: what the console has printed so far is no longer looked at by console_has and wait_console.
mark() {
    pull_console "$1"
    wc -c <"/tmp/console.$1" >"/tmp/console.$1.mark"
}
# since_mark VM: what the console has printed since.
since_mark() { tail -c +$(($(cat "/tmp/console.$1.mark" 2>/dev/null || echo 0) + 1)) "/tmp/console.$1" | tr -d '\r'; }
console_has() { pull_console "$1" && since_mark "$1" | grep -q -e "$2"; }
# console_bytes VM: how much the console has printed in all.
console_bytes() {
    pull_console "$1"
    cat "/tmp/console.$1.offset"
}

# wait_console VM PATTERN [SECONDS]
wait_console() {
    wait_pattern=$2
    until_true "console_has $1 \"\$wait_pattern\"" "$3" && return 0
    echo "no '$2' on the console of $1 ($(state "$1") $(field "$1" .stateReason.message)); its last lines:"
    tail -n 8 "/tmp/console.$1" | tr -d '\r' | cut -c 1-160
    return 1
}

# send VM LINE: types a line on the console.
send() {
    printf '%s\n' "$2" >/tmp/send.line
    curl -sS -f --max-time 30 -o /dev/null -H 'Content-Type: application/octet-stream' --data-binary @/tmp/send.line \
        "$server/v1/vms/$1/console"
}

# check NAME COMMAND...: PASS where the command succeeds; else FAIL with what it printed.
check() {
    check_name=$1
    shift
    check_start=$(now)
    if "$@" >/tmp/check.out 2>&1; then
        echo "CHECK PASS $check_name ($(($(now) - check_start)) s)"
        return 0
    fi
    echo "CHECK FAIL $check_name: $(tr '\n' '|' </tmp/check.out | tail -c 1500)"
    return 1
}

# same A B: they are equal and not empty.
same() {
    [ -n "$1" ] && [ "$1" = "$2" ] && return 0
    echo "expected '$2', found '$1'"
    return 1
}

# linux VM COUNT KERNEL [FORMAT]: defines a VM that boots Debian's kernel with COUNT processors.
linux() {
    api POST /v1/vms "{\"id\":\"$1\",\"vps\":{\"count\":$2},\"memory\":{\"size\":\"256MiB\"},\"boot\":{\"kernel\":\"$3\",
        \"initrd\":\"/guest/initrd\",\"commandLine\":\"console=ttyS0 quiet panic=-1\",\"format\":\"${4:-auto}\"}}"
}
# demo VM: defines a VM that boots the project's own small guest.
demo() { api POST /v1/vms "{\"id\":\"$1\",\"memory\":{\"size\":\"32MiB\"},\"boot\":{\"kernel\":\"builtin:demo\"}}"; }
# verb VM VERB: begins it, as a client without a body does.
verb() { api POST "/v1/vms/$1:$2"; }
# metric NAME LABELS: the value of the one sample of a metric whose labels match the pattern.
metric() { curl -sS -f --max-time 30 $server/metrics | grep "^$1{.*$2" | sed 's/.* //'; }

# answers PATTERN COMMAND [SECONDS]: what a command prints on the console of $guest.
guest=linux
answers() {
    mark "$guest"
    send "$guest" "$2" && wait_console "$guest" "$1" "$3"
}
# refused FRAGMENT COMMAND...: the call fails and its answer has the fragment.
refused() {
    refused_for=$1
    shift
    "$@" >/tmp/refused 2>&1 && echo "it was not refused" && return 1
    grep -q "$refused_for" /tmp/refused && return 0
    cat /tmp/refused
    return 1
}
# begin METHOD PATH [JSON]: an operation; $operation is its id.
begin() { api "$@" >/tmp/operation && operation=$(json .id </tmp/operation); }
# ended STATUS: the operation ends so.
ended() {
    until_true "[ \"\$(api GET /v1/operations/$operation | json .status)\" != running ]"
    [ "$(api GET "/v1/operations/$operation" | json .status)" = "$1" ] && return 0
    api GET "/v1/operations/$operation"
    return 1
}
