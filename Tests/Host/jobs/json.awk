# Prints the value at a path (`-v want=.stateReason.code`, array elements by number: `.vms.0.id`) of the JSON on
# standard input; strings without their quotes, with \" and \\ undone and other escapes as they are.

{ text = text $0 "\n" }

END {
    at = 1
    value("")
    exit(found ? 0 : 1)
}

function skip() { while (index(" \t\r\n", substr(text, at, 1)) && at <= length(text)) at++ }

function string(    out, c) {
    at++
    out = ""
    while ((c = substr(text, at, 1)) != "\"" && at <= length(text)) {
        if (c == "\\") {
            at++
            c = substr(text, at, 1)
            if (c != "\"" && c != "\\" && c != "/") c = "\\" c
        }
        out = out c
        at++
    }
    at++
    return out
}

function value(path,    c, key, i, out) {
    skip()
    c = substr(text, at, 1)
    if (c == "{") {
        at++
        skip()
        while (substr(text, at, 1) == "\"") {
            key = string()
            skip()
            at++ # the colon
            value(path "." key)
            skip()
            if (substr(text, at, 1) == ",") at++
            skip()
        }
        at++
        return
    }
    if (c == "[") {
        at++
        skip()
        for (i = 0; substr(text, at, 1) != "]" && at <= length(text); i++) {
            value(path "." i)
            skip()
            if (substr(text, at, 1) == ",") at++
            skip()
        }
        at++
        return
    }
    if (c == "\"") out = string()
    else {
        match(substr(text, at), /^[^] \t\r\n,}]*/)
        out = substr(text, at, RLENGTH)
        at += RLENGTH > 0 ? RLENGTH : 1
    }
    if (path == want) {
        print out
        found = 1
    }
}
