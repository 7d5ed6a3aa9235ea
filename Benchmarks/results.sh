#!/usr/bin/env bash
# Compares all cache policies on the built-in model and writes the report and the tables of docs/results.md.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: Benchmarks/results.sh [options]

Runs `swiftlet eval compare` for every policy at 10, 20, 30 and 50 %, and `eval kl` and `eval calibration` at 20 %, all
on the built-in model. The report goes to OUTPUT/results, the tables between the marks of OUTPUT/results.md. A run that
was ended goes on where it was; the log is kept in WORK.

  -f TEXT      text for profiles, divergence and calibration, default Benchmarks/heldout.txt
  -n SAMPLES   documents per length and depth, default 2
  -s SWIFTLET  the program to measure, default a release build of this checkout
  -w WORK      folder for the log and the profiles, default a temporary one
  -o OUTPUT    folder of the documentation, default docs
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
text=$root/Benchmarks/heldout.txt samples=2 swiftlet='' work='' output=$root/docs
while getopts f:n:s:w:o:h flag; do
    case $flag in
        f) text=$OPTARG ;; n) samples=$OPTARG ;; s) swiftlet=$OPTARG ;; w) work=$OPTARG ;; o) output=$OPTARG ;;
        h) usage; exit 0 ;; *) usage >&2; exit 64 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || { usage >&2; exit 64; }

if [ -z "$swiftlet" ]; then
    swift build -c release --package-path "$root" --product swiftlet >&2
    swiftlet=$(swift build -c release --package-path "$root" --show-bin-path)/swiftlet
fi
if [ -z "$work" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
mkdir -p "$work" "$output"
swiftlet=$(realpath "$swiftlet") text=$(realpath "$text") output=$(realpath "$output")
cd "$work"      # so that policies name their profiles without a folder

policies='full streaming random knorm tova observed h2o snapkv expected pyramidkv zigzagkv
adakv+snapkv adakv+expected d2o pyramidinfer uncomp:uncomp.json pqcache kvsharer:kvsharer.json
q8_0 q4_0 kivi snapkv+q8_0 kvsharer:kvsharer.json+snapkv+q8_0'

cp "$text" heldout.txt
[ -e uncomp.json ] || "$swiftlet" kv profile --method uncomp -f heldout.txt -o uncomp.json
[ -e kvsharer.json ] || "$swiftlet" kv profile --method kvsharer -f heldout.txt -o kvsharer.json

flags=()
for policy in $policies; do flags+=(--policy "$policy"); done
SECONDS=0
"$swiftlet" eval compare -o report --samples "$samples" "${flags[@]}" >&2
[ -e seconds ] || echo "$SECONDS" >seconds

# divergence NAME POLICY: both measurements of one policy at 20 %.
divergence() {
    local budget=(--kv-budget 20%)
    case $2 in pyramidinfer | pqcache | q8_0 | q4_0 | kivi | kvsharer:*.json) budget=() ;; esac
    [ ! -e "calibration-$1.json" ] || return 0
    [ -e "kl-$1.json" ] || "$swiftlet" eval kl -f heldout.txt -c 1024 --chunks 16 --kv-policy "$2" "${budget[@]}" --json >"kl-$1.json"
    "$swiftlet" eval calibration -f heldout.txt -c 1024 --chunks 16 --kv-policy "$2" "${budget[@]}" --json \
        >"calibration-$1.json"
}
index=0
for policy in $policies; do
    index=$((index + 1))
    [ "$policy" = full ] || divergence "$(printf '%02d' $index)" "$policy" 2>/dev/null
done

# KVSharer tries the most different layers first; here also the most similar ones.
for order in dissimilar similar; do
    for layers in 1 2 3 4; do
        name=$order-$layers
        "$swiftlet" kv profile --method kvsharer -f heldout.txt -o "$name.json" --layers "$layers" \
            --order "$order" --threshold -1 --force 2>/dev/null
        [ -e "sharing-$name.json" ] || "$swiftlet" eval kl -f heldout.txt -c 1024 --chunks 16 \
            --kv-policy "kvsharer:$name.json" --json >"sharing-$name.json" 2>/dev/null
    done
done

mkdir -p "$output/results"
cp report/report.html report/report.json report/report.csv "$output/results/"
python3 "$root/Benchmarks/results.py" . "$output/results.md"
