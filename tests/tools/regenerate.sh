#!/usr/bin/env bash
# Writes testdata/tshark, testdata/tshark_fields and testdata/reference anew, for every capture. Needs tshark 4.0
# and python3.
set -euo pipefail
cd "$(dirname "$0")/../../testdata"

rm -rf tshark/*/ tshark_fields/*/ reference/*/
for capture in captures/*/*.pcap captures/*/*.pcapng captures/*/*.pcap.gz; do
    table=${capture#captures/}.tsv
    mkdir -p {tshark,tshark_fields,reference}"/${table%/*}"
    case $table in
    a/port19350.*) options=(--port 19350) ;;
    *) options=() ;;
    esac
    ../tests/tools/tshark_table.py "$capture" "${options[@]}" >"tshark/$table"
    ../tests/tools/tshark_fields.py "$capture" "${options[@]}" >"tshark_fields/${table%.tsv}.jsonl"
    ../tests/tools/reference_table.py "$capture" >"reference/$table"
done
../tests/tools/bodies_capture.py tshark_fields/bodies.pcap
../tests/tools/tshark_fields.py tshark_fields/bodies.pcap >tshark_fields/bodies.pcap.jsonl
../tests/tools/tshark_fields.py --names >tshark_fields/names.tsv

version=$(tshark --version 2>/dev/null | head -1)
sed -i "s/^Made with: .*/Made with: ${version%.}/" {tshark,tshark_fields,reference}/README.md
echo "$version"
