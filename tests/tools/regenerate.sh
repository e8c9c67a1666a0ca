#!/usr/bin/env bash
# Writes testdata/tshark and testdata/reference anew, for every capture. Needs tshark 4.0 and python3.
set -euo pipefail
cd "$(dirname "$0")/../../testdata"

rm -rf tshark/*/ reference/*/
for capture in captures/*/*.pcap captures/*/*.pcapng captures/*/*.pcap.gz; do
    table=${capture#captures/}.tsv
    mkdir -p "tshark/${table%/*}" "reference/${table%/*}"
    case $table in
    a/port19350.*) options=(--port 19350) ;;
    *) options=() ;;
    esac
    ../tests/tools/tshark_table.py "$capture" "${options[@]}" >"tshark/$table"
    ../tests/tools/reference_table.py "$capture" >"reference/$table"
done

version=$(tshark --version 2>/dev/null | head -1)
sed -i "s/^Made with: .*/Made with: ${version%.}/" tshark/README.md reference/README.md
echo "$version"
