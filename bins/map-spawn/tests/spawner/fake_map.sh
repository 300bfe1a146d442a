#!/bin/sh
# A Map Server for tests: the map that it is to run says how it behaves. Notes go to $FAKE_MAP_DIR.
if [ "$1" = --list-maps ]; then
    echo '["brief", "deaf", "fragile", "mute", "odd", "town"]'
    exit
fi
all="$*"
while [ $# -gt 0 ]; do
    case "$1" in
    --id) id=$2 ;;
    --map) map=$2 ;;
    --channel) channel=$2 ;;
    esac
    shift 2
done
printf '%s\n' "$all" >"$FAKE_MAP_DIR/$id.flags"
env >"$FAKE_MAP_DIR/$id.env"

say_ready() {
    printf '{"server":"%s","incarnation":"%s","channel":%s,"port":7100,"admin":"127.0.0.1:9100"}\n' \
        "$1" "$(cat /proc/sys/kernel/random/uuid)" "$channel"
}

trap 'echo "$id" >>"$FAKE_MAP_DIR/stopped"; exit 0' TERM
case "$map" in
brief) exit 3 ;;                # ends at once
deaf) trap '' TERM; say_ready "$id" ;; # does not heed SIGTERM
fragile)                        # ends as soon as it is up, until it was mended
    say_ready "$id"
    [ -e "$FAKE_MAP_DIR/mended" ] || exit 4
    ;;
mute) ;;                        # never says that it has registered
odd)                            # says all kinds of things first
    echo "good morning"
    head -c 100000 /dev/zero | tr '\0' 'x'
    echo
    say_ready "somebody-else"
    say_ready "$id"
    ;;
town) say_ready "$id" ;;
esac
# A test that went wrong leaves nothing behind: its folder is gone.
while [ -d "$FAKE_MAP_DIR" ]; do sleep 0.05; done
