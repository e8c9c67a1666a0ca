#!/usr/bin/env bash
# Records real sessions in tunnels: ffmpeg publishes to nginx-rtmp through TLS of many kinds, RTMPT and PROXY headers,
# with the plain legs before and after the tunnel in the same capture. `tests/tunnel.rs` compares them message by message.
#
# usage: tests/e2e/tunnels/record.sh DIRECTORY [NAME ...]
#
# Needs ffmpeg, nginx with its RTMP and stream modules, stunnel4, haproxy, tcpdump, editcap, openssl and python3, and the
# right to capture on loopback (root). Writes NAME.pcapng with the TLS keys inside.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
mkdir -p "$out"
PATH=$PATH:/usr/sbin
dir=$(mktemp -d)
started=()
cleanup() {
    local status=$?
    kill "${started[@]}" 2>/dev/null || true
    rm -rf "$dir"
    exit "$status"
}
trap cleanup EXIT
fail() {
    echo "record: $*" >&2
    tail -n 5 "$dir"/*.log >&2 || true
    exit 1
}
wait_for_port() {
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.05
    done
    fail "nothing listens on port $1"
}
start() {
    "$@" >>"$dir/servers.log" 2>&1 &
    started+=($!)
}
stop_all_but_nginx() {
    for process in "${started[@]:1}"; do kill "$process" 2>/dev/null || true; done
    started=("${started[0]}")
    sleep 0.1
}

rtmp=19351 tls=19443 entry=19352
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=live.example.org -keyout "$dir/key.pem" -out "$dir/crt.pem" 2>/dev/null
cat "$dir/key.pem" "$dir/crt.pem" >"$dir/cert.pem"
cat >"$dir/nginx.conf" <<CONF
load_module modules/ngx_rtmp_module.so;
load_module modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/nginx.log info;
events {}
rtmp {
    access_log off;
    server { listen 127.0.0.1:$rtmp; application live { live on; } }
}
stream {
    server {
        listen 127.0.0.1:19444 ssl;
        ssl_certificate $dir/cert.pem;
        ssl_certificate_key $dir/cert.pem;
        proxy_pass 127.0.0.1:$rtmp;
    }
}
CONF
nginx -c "$dir/nginx.conf" -e "$dir/nginx.log" >"$dir/nginx-start.log" 2>&1 &
started+=($!)
wait_for_port $rtmp
ffmpeg -hide_banner -loglevel error -nostdin -f lavfi -i testsrc2=size=64x48:rate=10 \
    -f lavfi -i sine=frequency=440:sample_rate=22050 -t 0.4 -c:v libx264 -preset ultrafast -crf 40 -g 10 -pix_fmt yuv420p \
    -c:a aac -b:a 24k -ac 1 -f flv "$dir/media.flv"

# publish NAME URL: captures while ffmpeg publishes; what the sockets of $dir/keys have is put into the capture.
publish() {
    local name=$1 url=$2
    : >>"$dir/keys"
    tcpdump -Z root -B 16384 -i lo -U --immediate-mode -w "$dir/$name.pcap" "tcp port ${ports// / or tcp port }" 2>"$dir/tcpdump.log" &
    local tcpdump=$!
    started+=("$tcpdump")
    for _ in $(seq 100); do grep -q 'listening on' "$dir/tcpdump.log" && break || sleep 0.05; done
    SSLKEYLOGFILE="${client_keys:-}" timeout 30 ffmpeg -hide_banner -loglevel error -nostdin -re -i "$dir/media.flv" \
        -c copy -f flv "$url" 2>"$dir/ffmpeg.log" || fail "$name: ffmpeg"
    sleep 0.6
    kill "$tcpdump"
    wait "$tcpdump" || true
    unset 'started[-1]'
    if [[ -s $dir/keys ]]; then
        grep -E '^(CLIENT|SERVER)_' "$dir/keys" | sort -u >"$dir/used"
        editcap --inject-secrets "tls,$dir/used" "$dir/$name.pcap" "$out/$name.pcapng"
    else
        editcap -F pcapng "$dir/$name.pcap" "$out/$name.pcapng"
    fi
    rm -f "$dir/keys"
    echo "$name: $(stat -c %s "$out/$name.pcapng") bytes"
}

# through NAME "CLIENT OPTIONS" "SERVER OPTIONS": ffmpeg, plain, TLS, plain, nginx.
through() {
    local name=$1 client=$2 server=$3
    wanted "$name" || return 0
    # shellcheck disable=SC2086
    start python3 "$here/tls_relay.py" server $tls 127.0.0.1 $rtmp cert="$dir/cert.pem" $server
    # shellcheck disable=SC2086
    start python3 "$here/tls_relay.py" client $entry 127.0.0.1 $tls keylog="$dir/keys" $client
    sleep 0.5
    ports="$entry $tls" publish "$name" "rtmp://127.0.0.1:$entry/live/$name"
    stop_all_but_nginx
}
names=("$@")
wanted() {
    [[ ${#names[@]} == 0 ]] || [[ " ${names[*]} " == *" $1 "* ]]
}

old="versions=1.2" new="versions=1.3"
through tls12_ecdhe_aes128_gcm "$old ciphers=ECDHE-RSA-AES128-GCM-SHA256 sni=live.example.org alpn=rtmp" ""
through tls12_dhe_aes256_gcm "$old ciphers=DHE-RSA-AES256-GCM-SHA384" "ciphers=DHE-RSA-AES256-GCM-SHA384"
through tls12_rsa_aes256_gcm "$old ciphers=AES256-GCM-SHA384" ""
through tls12_ecdhe_chacha20 "$old ciphers=ECDHE-RSA-CHACHA20-POLY1305" ""
through tls12_aes128_cbc_sha_etm "$old ciphers=AES128-SHA@SECLEVEL=0" "ciphers=ALL@SECLEVEL=0"
through tls12_aes256_cbc_sha "$old ciphers=AES256-SHA@SECLEVEL=0 etm=0" "ciphers=ALL@SECLEVEL=0"
through tls12_ecdhe_aes128_cbc_sha256 "$old ciphers=ECDHE-RSA-AES128-SHA256 etm=0" ""
through tls12_ecdhe_aes256_cbc_sha384_etm "$old ciphers=ECDHE-RSA-AES256-SHA384" ""
through tls12_renegotiation "$old ciphers=ECDHE-RSA-AES128-GCM-SHA256 renegotiate=6" "renegotiate=-1"
through tls13_aes128_gcm "$new suites=TLS_AES_128_GCM_SHA256 sni=live.example.org" ""
through tls13_aes256_gcm_update "$new suites=TLS_AES_256_GCM_SHA384 update=3" "update=2"
through tls13_chacha20_padded "$new suites=TLS_CHACHA20_POLY1305_SHA256 pad=128 fragment=700" "pad=64"
through tls13_early_data "$new early=1" "early=1"
through tls13_early_data_rejected "$new early=1" "early=1 reject=1"

# ffmpeg's own TLS (GnuTLS in Debian), to stunnel and to nginx.
if wanted ffmpeg_stunnel; then
    cat >"$dir/stunnel.conf" <<CONF
foreground = yes
pid =
[rtmps]
accept = 127.0.0.1:$tls
connect = 127.0.0.1:$rtmp
cert = $dir/cert.pem
CONF
    start stunnel4 "$dir/stunnel.conf"
    wait_for_port $tls
    ports="$tls $rtmp" client_keys=$dir/keys publish ffmpeg_stunnel "rtmps://127.0.0.1:$tls/live/stunnel"
    stop_all_but_nginx
fi
if wanted ffmpeg_nginx; then
    ports="19444 $rtmp" client_keys=$dir/keys publish ffmpeg_nginx "rtmps://127.0.0.1:19444/live/nginx"
fi

# TLS with something other than RTMP inside.
if wanted https; then
    start python3 -m http.server 19481 --bind 127.0.0.1 --directory "$here"
    start python3 "$here/tls_relay.py" server $tls 127.0.0.1 19481 cert="$dir/cert.pem"
    wait_for_port 19481
    sleep 0.5
    tcpdump -Z root -i lo -U --immediate-mode -w "$dir/https.pcap" "tcp port $tls" 2>"$dir/tcpdump.log" &
    started+=($!)
    sleep 0.5
    SSLKEYLOGFILE=$dir/keys python3 - <<PY
import ssl, urllib.request
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
print(len(urllib.request.urlopen("https://127.0.0.1:$tls/record.sh", context=context).read()), "bytes of HTTP")
PY
    sleep 0.5
    stop_all_but_nginx
    editcap --inject-secrets "tls,$dir/keys" "$dir/https.pcap" "$out/https.pcapng"
    rm -f "$dir/keys"
fi

for kind in "" chunked; do
    name=rtmpt_ffmpeg${kind:+_$kind}
    wanted "$name" || continue
    # shellcheck disable=SC2086
    start python3 "$here/rtmpt_gateway.py" 19480 127.0.0.1 $rtmp $kind
    wait_for_port 19480
    ports="19480 $rtmp" publish "$name" "rtmpt://127.0.0.1:19480/live/rtmpt"
    stop_all_but_nginx
done
# RTMPT in TLS.
if wanted rtmpts; then
    start python3 "$here/rtmpt_gateway.py" 19480 127.0.0.1 $rtmp
    start python3 "$here/tls_relay.py" server $tls 127.0.0.1 19480 cert="$dir/cert.pem"
    start python3 "$here/tls_relay.py" client $entry 127.0.0.1 $tls keylog="$dir/keys"
    wait_for_port 19480
    sleep 0.5
    ports="$entry $tls" publish rtmpts "rtmpt://127.0.0.1:$entry/live/rtmpts"
    stop_all_but_nginx
fi
