#!/bin/sh
# Makes testdata/inputs: one session in every form that tools write it in. Needs tshark, tcpdump, xxd, hexdump, od.
# The session is that of testdata/captures/b/on_publish_denied.pcap; each output is kept in gzip.
set -eu
export TZ=UTC LC_ALL=C
root=$(cd "$(dirname "$0")/../.." && pwd)
capture=$root/testdata/captures/b/on_publish_denied.pcap
out=$root/testdata/inputs
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir -p "$out"
keep() { gzip -9n > "$out/$1.gz"; }

follow() { tshark -r "$capture" -q -z "follow,tcp,$1,0" 2> /dev/null; }

# The bytes of each direction, cut out of tshark's own output.
follow raw > "$work/follow"
sed -n '/^Node 1/,/^=/p' "$work/follow" | grep '^[0-9a-f]' | xxd -r -p > "$work/c2s"
sed -n '/^Node 1/,/^=/p' "$work/follow" | grep "^	[0-9a-f]" | xxd -r -p > "$work/s2c"
keep c2s.bin < "$work/c2s"
keep s2c.bin < "$work/s2c"

for side in c2s s2c; do
    bytes=$work/$side
    xxd "$bytes" | keep "$side.xxd.txt"
    hexdump -C "$bytes" | keep "$side.hexdump-C.txt"
    xxd -p "$bytes" | keep "$side.xxd-p.txt"
    hexdump "$bytes" | keep "$side.hexdump.txt"
    # One direction is enough for the others.
    [ $side = c2s ] || continue
    xxd -a -c 32 -g 1 "$bytes" | keep "$side.xxd-a-c32-g1.txt"
    xxd -e "$bytes" | keep "$side.xxd-e.txt"
    xxd -u -g 0 "$bytes" | keep "$side.xxd-u-g0.txt"
    xxd -i "$bytes" | keep "$side.xxd-i.txt"
    od -A x -t x1 "$bytes" | keep "$side.od-Ax-tx1.txt"
    od -A x -t x1z -v "$bytes" | keep "$side.od-tx1z-v.txt"
    od -t x1 "$bytes" | keep "$side.od-tx1.txt"
    od -A d -t x1 "$bytes" | keep "$side.od-Ad-tx1.txt"
    od -A n -t x1 "$bytes" | keep "$side.od-An-tx1.txt"
    od -x "$bytes" | keep "$side.od-x.txt"
    python3 - "$bytes" "$work" << 'PY'
import base64, sys
data, work = open(sys.argv[1], 'rb').read(), sys.argv[2]
def write(name, text):
    open(f'{work}/{name}', 'w').write(text + '\n')
write('python-bytes', f'data = {data!r}')
write('python-list', f'data = bytes({list(data)})')
write('python-fromhex', f'data = bytes.fromhex("{data.hex(" ")}")')
write('python-b64', f'data = base64.b64decode("{base64.b64encode(data).decode()}")')
write('js-array', f'const data = new Uint8Array([{", ".join(map(str, data))}]);')
write('js-buffer', f'const data = Buffer.from("{data.hex()}", "hex");')
write('go', 'data := []byte{' + ', '.join(f'0x{b:02x}' for b in data) + '}')
write('rust', f'const DATA: [u8; {len(data)}] = [' + ', '.join(f'0x{b:02x}' for b in data) + '];')
write('java', 'byte[] data = {' + ', '.join(f'{"(byte) " if b > 127 else ""}0x{b:02x}' for b in data) + '};')
write('hex-stream', data.hex())
write('hex-colons', data.hex(':'))
PY
    for form in python-bytes python-list python-fromhex python-b64 js-array js-buffer go rust java hex-stream hex-colons; do
        keep "$side.$form.txt" < "$work/$form"
    done
done

# Packets, with headers.
tcpdump -n -r "$capture" -x 2> /dev/null | keep packets.tcpdump-x.txt
tcpdump -n -tt -r "$capture" -X 2> /dev/null | keep packets.tcpdump-tt-X.txt
tcpdump -n -tttt -r "$capture" -XX 2> /dev/null | keep packets.tcpdump-tttt-XX.txt
tcpdump -n -ttt -r "$capture" -xx 2> /dev/null | keep packets.tcpdump-ttt-xx.txt
tcpdump -n -t -r "$capture" -X 2> /dev/null | keep packets.tcpdump-t-X.txt
tshark -r "$capture" -x 2> /dev/null | keep packets.tshark-x.txt
tshark -r "$capture" -P -x 2> /dev/null | keep packets.tshark-P-x.txt
tshark -r "$capture" -V -x 2> /dev/null | keep packets.tshark-V-x.txt
# "Copy … as Hex Stream" of each packet.
tcpdump -n -t -r "$capture" -xx 2> /dev/null | awk '/^\t/ { sub(/^[^:]*:/, ""); gsub(/ /, ""); printf "%s", $0; next } NR > 1 { print "" } END { print "" }' | keep packets.hex-streams.txt

# A followed stream.
follow raw | keep follow.raw.txt
follow hex | keep follow.hex.txt
follow yaml | keep follow.yaml.txt
# What Wireshark's window shows and saves: the same without the frame; C arrays are written by the window alone, in the
# form of ui/qt/follow_stream_dialog.cpp.
follow hex | sed -n '/^Node 1/,/^=/p' | grep -v '^[N=]' | sed 's/^	/    /' | keep follow.gui-hex.txt
follow yaml > "$work/yaml"
python3 - "$work/yaml" << 'PY' | keep follow.c-arrays.txt
import base64, re, sys
count = [0, 0]
for packet, peer, data in re.findall(r'packet: (\d+)\n    peer: (\d)\n.*?!!binary \|\n((?:      \S+\n)+)', open(sys.argv[1]).read(), re.S):
    peer, data = int(peer), base64.b64decode(data)
    print(f'/* Packet {packet} */\nchar peer{peer}_{count[peer]}[] = {{')
    for at in range(0, len(data), 8):
        line = data[at:at + 8]
        end = ' };' if at + 8 >= len(data) else ', '
        print(', '.join(f'0x{b:02x}' for b in line) + end)
    count[peer] += 1
PY
