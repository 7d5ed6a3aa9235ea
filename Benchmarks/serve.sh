#!/usr/bin/env bash
# Puts the same load on `swiftlet serve` and on llama-server and writes the table of docs/serving.md.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: Benchmarks/serve.sh [options]

Starts both servers on the same file with the same threads, slots and context, and lets `swiftlet bench serve` ask them in
turns. The table goes between the marks of OUTPUT/serving.md.

  -m MODEL     the model, default a 135M shape in q8_0, made with `swiftlet synth`
  -l SERVER    llama-server; default: the one in PATH
  -r ROUNDS    default 3                    -t THREADS   default 2
  -c CLIENTS   and slots, default 16        -q REQUESTS  of a round, default 64
  -p TOKENS    of a prompt, default 256     -n TOKENS    of an answer, default 128
  -s SWIFTLET  default a release build of this checkout
  -o OUTPUT    folder of the documentation, default docs
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/Benchmarks/machine.sh"
model='' peer=llama-server rounds=3 threads=2 clients=16 requests=64 prompt=256 answer=128 swiftlet='' output=$root/docs
while getopts m:l:r:t:c:q:p:n:s:o:h flag; do
    case $flag in
        m) model=$OPTARG ;; l) peer=$OPTARG ;; r) rounds=$OPTARG ;; t) threads=$OPTARG ;; c) clients=$OPTARG ;;
        q) requests=$OPTARG ;; p) prompt=$OPTARG ;; n) answer=$OPTARG ;; s) swiftlet=$OPTARG ;; o) output=$OPTARG ;;
        h) usage; exit 0 ;; *) usage >&2; exit 64 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || { usage >&2; exit 64; }
command -v "$peer" >/dev/null || { echo "serve.sh: $peer is not a program; give llama-server with -l" >&2; exit 66; }

if [ -z "$swiftlet" ]; then
    swift build -c release --package-path "$root" --product swiftlet >&2
    swiftlet=$(swift build -c release --package-path "$root" --show-bin-path)/swiftlet
fi
if [ -z "$model" ]; then
    model=${TMPDIR:-/tmp}/swiftlet-models/135m-q8_0.gguf
    mkdir -p "$(dirname "$model")"
    [ -e "$model" ] || "$swiftlet" synth --shape 135m --type q8_0 "$model" >&2
fi

work=$(mktemp -d)
context=$((clients * (prompt + answer + 16)))
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
"$swiftlet" serve -m "$model" -t "$threads" --parallel "$clients" -c "$context" --port 18080 >"$work/swiftlet.log" 2>&1 &
"$peer" -m "$model" -t "$threads" -tb "$threads" -np "$clients" -c "$context" --port 18081 >"$work/peer.log" 2>&1 &

# wait_for PORT LOG: until the server is ready.
wait_for() {
    local tries
    for tries in $(seq 240); do
        curl -fs "http://127.0.0.1:$1/health" >/dev/null && return
        sleep 0.5
    done
    echo "serve.sh: no server at port $1: $(tail -3 "$2")" >&2
    exit 69
}
wait_for 18080 "$work/swiftlet.log"
wait_for 18081 "$work/peer.log"

# load NAME PORT SEED REQUESTS
load() {
    "$swiftlet" bench serve --url "http://127.0.0.1:$2" --concurrency "$clients" --requests "$4" --seed "$3" \
        --prompt-length "$prompt" --output-length "$answer" --json >"$work/$1-$3.json"
}
load warm-up 18080 0 "$clients"
load warm-up 18081 0 "$clients"
for round in $(seq "$rounds"); do
    load swiftlet 18080 "$round" "$requests"
    load peer 18081 "$round" "$requests"
done

python3 - "$work" "$output/serving.md" <<PYTHON
import glob, json, statistics, sys
work, page = sys.argv[1:]
runs = {name: [json.load(open(path)) for path in sorted(glob.glob(f"{work}/{name}-*.json"))]
        for name in ("swiftlet", "peer")}
rows = [
    ("all tokens per second", lambda r: r["tokens_per_second"], 1),
    ("generated tokens per second", lambda r: r["completion_tokens_per_second"], 1),
    ("first token, median ms", lambda r: r["first_token"]["p50"], 1000),
    ("first token, p95 ms", lambda r: r["first_token"]["p95"], 1000),
    ("between tokens, median ms", lambda r: r["inter_token"]["p50"], 1000),
    ("between tokens, p95 ms", lambda r: r["inter_token"]["p95"], 1000),
    ("whole request, p95 ms", lambda r: r["request"]["p95"], 1000),
]
lines = ["$(machine); $threads threads, $clients clients and slots, $requests requests of $prompt + $answer tokens, "
         "medians of $rounds rounds in turns.", "",
         "| | swiftlet serve | llama-server | ratio |", "|---|---:|---:|---:|"]
for title, value, scale in rows:
    ours, theirs = (statistics.median(map(value, runs[name])) * scale for name in ("swiftlet", "peer"))
    lines.append(f"| {title} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} |")
block = "\n".join(lines)
print(block)
text = open(page, encoding="utf-8").read()
begin, end = "<!-- load:begin -->", "<!-- load:end -->"
if text.count(begin) != 1 or text.count(end) != 1:
    sys.exit(f"serve.sh: {page} needs one '{begin}' and one '{end}'")
head, rest = text.split(begin)
open(page, "w", encoding="utf-8").write(f"{head}{begin}\n{block}\n{end}{rest.split(end)[1]}")
PYTHON
