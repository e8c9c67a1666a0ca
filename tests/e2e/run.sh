#!/usr/bin/env bash
# End to end, with nothing recorded: a real ffmpeg publishes to a real nginx-rtmp over loopback, tcpdump
# captures it into a file and into a pipe, and rtmp-inspect has to tell what happened. Then the same is published three
# more times: the recordings have to give one snapshot, byte for byte, and what is published otherwise has to fail.
#
# usage: tests/e2e/run.sh [PATH TO rtmp-inspect]
#
# Needs ffmpeg, nginx with its RTMP module, tcpdump and python3, and the right to capture on loopback (root).
# Nothing is skipped: what is missing is a failure. Ends with `N passed, 0 failed`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binary=${1:-$here/../../target/debug/rtmp-inspect}

fail() {
    echo "tests/e2e: $*" >&2
    exit 1
}

for tool in ffmpeg nginx tcpdump python3; do
    PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || fail "$tool is not installed"
done
PATH=$PATH:/usr/sbin
[[ -x $binary ]] || fail "there is no program $binary: cargo build --locked makes it"

dir=$(mktemp -d)
started=()
cleanup() {
    local status=$?
    set +e
    kill "${started[@]}" 2>/dev/null && sleep 0.5 && kill -KILL "${started[@]}" 2>/dev/null
    rm -rf "$dir"
    exit "$status"
}
trap cleanup EXIT

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" 2>/dev/null; do
        if ((SECONDS >= deadline)); then
            tail -n 20 "$dir"/*.log >&2 || true
            fail "$what: not after all this time"
        fi
        sleep 0.05
    done
}

# The usual port if it is free, so that nothing but the content and the port say RTMP.
port=$(
    python3 - <<'PY'
import socket
for port in (1935, 0):
    try:
        with socket.create_server(("127.0.0.1", port)) as probe:
            print(probe.getsockname()[1])
        break
    except OSError:
        pass
PY
)
[[ -n $port ]] || fail "no free port on 127.0.0.1"

cat >"$dir/nginx.conf" <<CONF
load_module modules/ngx_rtmp_module.so;
daemon off;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/nginx.log info;
events {}
rtmp {
    access_log off;
    server {
        listen 127.0.0.1:$port;
        application live {
            live on;
        }
        application other {
            live on;
        }
    }
}
CONF
nginx -c "$dir/nginx.conf" -e "$dir/nginx.log" >"$dir/nginx-start.log" 2>&1 &
nginx=$!
started+=("$nginx")
wait_for 10 "nginx listens on port $port" bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"

# tcpdump gives up root for another user, who could not write into our directory.
keep_user=()
[[ $(id -u) == 0 ]] && keep_user=(-Z root)
capture() {
    exec tcpdump "${keep_user[@]}" -i lo -U --immediate-mode -B 16384 -w "$1" "tcp port $port" 2>"$2"
}
mkfifo "$dir/live.fifo"
timeout 60 "$binary" decode --format jsonl - <"$dir/live.fifo" >"$dir/live.jsonl" 2>"$dir/live.log" &
live=$!
capture - "$dir/tcpdump-live.log" >"$dir/live.fifo" &
tcpdump_live=$!
capture "$dir/session.pcap" "$dir/tcpdump-file.log" &
tcpdump_file=$!
started+=("$live" "$tcpdump_live" "$tcpdump_file")
captures_or_says_why() {
    grep -qE "listening on|permission|not permitted" "$1"
}
for log in "$dir"/tcpdump-{live,file}.log; do
    wait_for 10 "tcpdump starts" captures_or_says_why "$log"
    grep -q 'listening on' "$log" || fail "tcpdump may not capture on loopback, run this as root: $(cat "$log")"
done

echo "publishing to rtmp://127.0.0.1:$port/live/e2e"
timeout 60 ffmpeg -hide_banner -loglevel error -nostdin -re \
    -f lavfi -i testsrc2=size=320x180:rate=25 -f lavfi -i sine=frequency=440:sample_rate=44100 -t 2 \
    -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac -b:a 64k -ac 2 \
    -f flv "rtmp://127.0.0.1:$port/live/e2e" 2>"$dir/ffmpeg.log" &
ffmpeg=$!
started+=("$ffmpeg")

# The decoder at the end of the pipe has to tell of the publish while it is going on.
: >"$dir/live-rows-while-publishing"
while kill -0 "$ffmpeg" 2>/dev/null; do
    if grep -q "publish('e2e')" "$dir/live.jsonl"; then
        grep -c . "$dir/live.jsonl" >"$dir/live-rows-while-publishing"
        break
    fi
    sleep 0.05
done
wait "$ffmpeg" || fail "ffmpeg: $(cat "$dir/ffmpeg.log")"
sleep 1 # the server closes the connection

kill "$tcpdump_file" "$tcpdump_live"
wait "$tcpdump_file" "$tcpdump_live" || fail "tcpdump: $(cat "$dir"/tcpdump-*.log)"
wait "$live" || fail "rtmp-inspect at the end of the pipe: $(cat "$dir/live.log")"
# record DIRECTORY APP FFMPEG OPTIONS...: the recipe of the README: tcpdump, the client, stop.
record() {
    local to=$dir/$1 app=$2 tcpdump client
    shift 2
    mkdir "$to"
    capture "$to/publish.pcap" "$to/tcpdump.log" &
    tcpdump=$!
    started+=("$tcpdump")
    wait_for 10 "tcpdump starts" grep -q 'listening on' "$to/tcpdump.log"
    timeout 60 ffmpeg -hide_banner -loglevel error -nostdin -re -i "$dir/media.flv" -c copy "$@" \
        -f flv "rtmp://127.0.0.1:$port/$app/e2e" 2>"$to/ffmpeg.log" &
    client=$!
    started+=("$client")
    wait "$client" || fail "ffmpeg: $(cat "$to/ffmpeg.log")"
    sleep 1 # the server closes the connection
    kill "$tcpdump"
    wait "$tcpdump" || fail "tcpdump: $(cat "$to/tcpdump.log")"
}

ffmpeg -hide_banner -loglevel error -nostdin -f lavfi -i testsrc2=size=320x180:rate=25 \
    -f lavfi -i sine=frequency=440:sample_rate=44100 -t 1 -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p \
    -c:a aac -b:a 64k -ac 2 -f flv "$dir/media.flv" || fail "ffmpeg makes no media"
# What is not on port 1935 is found by its content all the same.
for directory in first second third; do
    echo "recording the same publish: $directory"
    record "$directory" live
done
echo "recording it with another title, and to another application"
record title live -metadata title=other
record app other

kill -QUIT "$nginx"
wait "$nginx" || fail "nginx: $(cat "$dir/nginx.log")"
started=()

python3 "$here/live.py" "$binary" || fail "decode -i"
python3 "$here/check.py" "$binary" "$dir"
