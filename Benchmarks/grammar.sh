#!/usr/bin/env bash
# Measures what grammars cost: texts with and without one, in turns, by the time per token.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: Benchmarks/grammar.sh [options]

Runs `swiftlet run` with and without grammars in turns and prints milliseconds per token and what the grammar adds.
The first tokens of each text are cold: masks are found while it is written.

  -m MODEL     the model, default the built-in one
  -n TOKENS    generated tokens, default 256    -r ROUNDS   repetitions, default 5
  -t THREADS   default 2                        -s SWIFTLET the program, default a release build of this checkout
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
model='' tokens=256 rounds=5 threads=2 swiftlet=''
while getopts m:n:r:t:s:h flag; do
    case $flag in
        m) model=$OPTARG ;; n) tokens=$OPTARG ;; r) rounds=$OPTARG ;; t) threads=$OPTARG ;; s) swiftlet=$OPTARG ;;
        h) usage; exit 0 ;; *) usage >&2; exit 64 ;;
    esac
done
if [ -z "$swiftlet" ]; then
    swift build -c release --package-path "$root" --product swiftlet >&2
    swiftlet=$(swift build -c release --package-path "$root" --show-bin-path)/swiftlet
fi

names=(none text list json strings)
# grammar_of NAME: sets the flags in `grammar`.
grammar_of() {
    case $1 in
        none) grammar=() ;;
        text) grammar=(--grammar 'root ::= .*') ;;
        list) grammar=(--grammar 'root ::= ("- " [^\n]+ "\n")+') ;;
        json) grammar=(-j '{"type": "array", "minItems": 1000}') ;;
        strings) grammar=(-j '{"type": "array", "minItems": 100, "items": {"type": "object", "properties": {
            "name": {"type": "string", "maxLength": 200}, "age": {"type": "integer"}}, "required": ["name", "age"]}}') ;;
    esac
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for round in $(seq "$rounds"); do
    for name in "${names[@]}"; do
        grammar_of "$name"
        "$swiftlet" run ${model:+-m "$model"} -t "$threads" -n "$tokens" --seed "$round" --temp 1 --ignore-eos --json \
            ${grammar[@]+"${grammar[@]}"} "Once upon a time" |
            NAME=$name python3 -c '
import json, os, sys
timings = json.load(sys.stdin)["timings"]
print(os.environ["NAME"], timings["generated_tokens"], timings["generation_seconds"])' >> "$log"
    done
done
python3 - "$log" <<'TEXT'
import statistics, sys
times = {}
for line in open(sys.argv[1]):
    name, tokens, seconds = line.split()
    if int(tokens) > 1: times.setdefault(name, []).append(1000 * float(seconds) / (int(tokens) - 1))
base = statistics.median(times["none"])
for name, values in times.items():
    value = statistics.median(values)
    print(f"{name:8} {value:8.3f} ms per token {100 * (value / base - 1):+6.1f} %  ({len(values)} runs)")
TEXT
