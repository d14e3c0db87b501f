#!/bin/sh
# A device made of mosquitto_pub and mosquitto_sub: enough to try vorab, or for a router or a NAS with nothing but a shell.
#
#   HOST=127.0.0.1 PORT=1883 DEVICE=shell-1 ./device.sh 5        five readings, a second apart
#   HOST=127.0.0.1 ./device.sh 0                                 for ever; obeys the command `identify` meanwhile
#
# By TLS with a client certificate: CA=ca.crt CERT=shell-1.crt KEY=shell-1.key as well.
set -eu

: "${HOST:=127.0.0.1}" "${PORT:=1883}" "${DEVICE:=shell-1}" "${TENANT:=main}" "${EVERY_S:=1}" "${BOOT_FILE:=./boot-$DEVICE}"
count="${1:-0}"
base="vorab/v1/$TENANT/$DEVICE"
set -- -h "$HOST" -p "$PORT" -q 1
[ -z "${CA:-}" ] || set -- "$@" --cafile "$CA" --cert "$CERT" --key "$KEY"

say() {
    # A client id of its own: the broker takes nobody without one.
    mosquitto_pub -i "$DEVICE-says-$$" "$@"
}

# One more at each start: with boot and seq a message that arrives twice counts once, and a missing one is noticed.
boot=$(($(cat "$BOOT_FILE" 2>/dev/null || echo 0) + 1))
echo "$boot" >"$BOOT_FILE"

# Commands: one connection stays open, and its will is what tells vorab that we are gone.
# `%t %p` prints topic and payload of each message on a line; jq is not needed for an id that holds no quotes.
obey() {
    done_ids=" "
    while read -r topic payload; do
        id=$(printf %s "$payload" | sed -n 's/.*"id": *"\([^"\\]*\)".*/\1/p')
        not_after=$(printf %s "$payload" | sed -n 's/.*"not_after": *"\([^"\\]*\)".*/\1/p')
        [ -n "$id" ] || continue
        case "$done_ids" in
        *" $id "*) status='"status":"succeeded"' ;; # came again: say again what was said
        *)
            # ISO 8601 in UTC sorts as text.
            if [ "$(printf '%s\n' "$not_after" "$(date -u +%Y-%m-%dT%H:%M:%S)" | LC_ALL=C sort | head -1)" = "$not_after" ]; then
                status='"status":"expired"'
            elif [ "$topic" = "$base/cmd/identify" ]; then
                status='"status":"succeeded"'
                done_ids=$(printf '%s' "$done_ids$id " | tail -c 2000)
            else
                status='"status":"rejected","error":{"code":"unknown","message":"only identify is known here"}'
            fi
            ;;
        esac
        mosquitto_pub -i "$DEVICE-obeys-$$" "$@" -t "$topic/res" -m "{\"id\":\"$id\",$status}"
    done
}

# The broker knows a device by its certificate and lets it in once, so by TLS each call below takes the only place there is:
# then nothing listens, and there is no will.
listener=""
trap '[ -z "$listener" ] || kill "$listener" 2>/dev/null || true' EXIT
if [ -z "${CA:-}" ]; then
    pipe="$BOOT_FILE.commands"
    rm -f "$pipe"
    mkfifo "$pipe"
    mosquitto_sub "$@" -i "$DEVICE" -t "$base/cmd/+" -F '%t %p' -k 30 --will-topic "$base/status" --will-retain --will-qos 1 \
        --will-payload '{"status":"offline"}' >"$pipe" &
    listener=$!
    obey "$@" <"$pipe" &
    rm -f "$BOOT_FILE.listener"
    echo "$listener" >"$BOOT_FILE.listener"
fi

leave() {
    say "$@" -r -t "$base/status" -m '{"status":"offline","reason":"goodbye"}'
    [ -z "$listener" ] || kill "$listener" 2>/dev/null || true
    rm -f "$BOOT_FILE.commands" "$BOOT_FILE.listener"
    exit 0
}
trap 'leave "$@"' INT TERM

say "$@" -r -t "$base/status" -m '{"status":"online"}'
seq=0
while [ "$count" = 0 ] || [ "$seq" -lt "$count" ]; do
    seq=$((seq + 1))
    # A number, a fraction, a truth: what `values` may hold. Without ts the time of arrival counts.
    load=$(cut -d ' ' -f 1 /proc/loadavg 2>/dev/null || echo 0)
    say "$@" -t "$base/telemetry" -m "{\"boot\":$boot,\"seq\":$seq,\"values\":{\"load\":$load,\"door\":false}}"
    sleep "$EVERY_S" &
    wait $! || true
done
leave "$@"
