#!/usr/bin/env bash
# Measures Swiftlet beside llama.cpp on the same files and writes docs/benchmarks.md and docs/benchmarks.svg.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: Benchmarks/compare.sh [options] FOLDER [MODEL.gguf ...]

Runs llama.cpp and Swiftlet in turn on every model, several rounds, and writes medians and ratios.
FOLDER holds llama.cpp's programs: llama-bench, llama-completion, llama-quantize.
Without models, it makes the six of the table with `swiftlet synth` and llama-quantize (about 6 GB with a file between).

  -r ROUNDS    rounds, default 5          -t THREADS   default 2
  -p TOKENS    prompt tests, default 512  -n TOKENS    generation tests, default 128
  -d DEPTH     depth of the long tests on the first model, default 8192; 0 leaves them out
  -m MODELS    where to make models, default ${TMPDIR:-/tmp}/swiftlet-models
  -s SWIFTLET  the program to measure, default a release build of this checkout
  -o OUTPUT    folder of the report, default docs
  -k FILE      keep the single results in FILE and report all that it holds, so that a long run can be split:
               -d 0 for all models, then the first one with the long tests
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/Benchmarks/machine.sh"
rounds=5 threads=2 prompt=512 generate=128 depth=8192
models_folder=${TMPDIR:-/tmp}/swiftlet-models swiftlet='' output=$root/docs kept=''
while getopts r:t:p:n:d:m:s:o:k:h flag; do
    case $flag in
        r) rounds=$OPTARG ;; t) threads=$OPTARG ;; p) prompt=$OPTARG ;; n) generate=$OPTARG ;;
        d) depth=$OPTARG ;; m) models_folder=$OPTARG ;; k) kept=$OPTARG ;; s) swiftlet=$OPTARG ;; o) output=$OPTARG ;;
        h) usage; exit 0 ;; *) usage >&2; exit 64 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || { usage >&2; exit 64; }
peer=$1
shift
for program in llama-bench llama-completion; do
    [ -x "$peer/$program" ] || { echo "compare.sh: $peer/$program is missing; build llama.cpp first" >&2; exit 66; }
done
if [ -z "$swiftlet" ]; then
    swift build -c release --package-path "$root" --product swiftlet >&2
    swiftlet=$(swift build -c release --package-path "$root" --show-bin-path)/swiftlet
fi

# make_model NAME COMMAND...: runs a command that writes the model NAME, unless it is there.
make_model() {
    local path=$models_folder/$1
    shift
    [ -e "$path" ] && return
    echo "making $(basename "$path")" >&2
    "$@" >&2
}

make_models() {
    mkdir -p "$models_folder"
    local type m=$models_folder
    for type in q8_0 q4_0 f16; do
        make_model 135m-$type.gguf "$swiftlet" synth --shape 135m --type $type "$m/135m-$type.gguf"
    done
    make_model 1.1b-f16.gguf "$swiftlet" synth --shape 1.1b --type f16 "$m/1.1b-f16.gguf"
    for type in Q8_0 Q4_0 Q4_K_M; do
        make_model 1.1b-$type.gguf "$peer/llama-quantize" "$m/1.1b-f16.gguf" "$m/1.1b-$type.gguf" $type
    done
    models=("$m"/135m-{q8_0,q4_0,f16}.gguf "$m"/1.1b-{Q8_0,Q4_0,Q4_K_M}.gguf)
}

models=("$@")
[ ${#models[@]} -gt 0 ] || make_models
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
results=${kept:-$work/results.tsv}              # model, measure, engine, value
timer=$(command -v gtime || type -P time || true)   # GNU time, for peak memory

# with_peak COMMAND...: runs a command and leaves its peak memory in KiB in $work/peak, if GNU time is there.
with_peak() {
    rm -f "$work/peak"
    if [ -n "$timer" ]; then "$timer" -f %M -o "$work/peak" "$@"; else "$@"; fi
}

# bench ENGINE PROGRAM MODEL FLAGS...: one repetition of the tests, added to the results.
bench() {
    local engine=$1 model=$3 name
    shift
    name=$(basename "$2" .gguf)
    with_peak "$1" ${bench_command[@]+"${bench_command[@]}"} -m "$model" -t "$threads" -r 1 -o csv "${@:3}" \
        >"$work/csv" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    awk -v model="$name" -v engine="$engine" -v build="$work/build" '
        NR == 1 { gsub(/"/, ""); n = split($0, names, ","); for (i = 1; i <= n; i++) column[names[i]] = i; next }
        {
            gsub(/^"|"$/, ""); split($0, f, "\",\"")
            p = f[column["n_prompt"]]; g = f[column["n_gen"]]; d = f[column["n_depth"]]
            if (p + g == 0) next
            test = (p > 0 ? "pp" p : "tg" g) (d > 0 ? " @ d" d : "")
            printf "%s\t%s\t%s\t%s\n", model, test, engine, f[column["avg_ts"]]
            if ("build_commit" in column) peer = f[column["build_number"]] " (" f[column["build_commit"]] ")"
        }
        END { if (peer) print peer > build }' "$work/csv" >>"$results"
    [ ! -s "$work/peak" ] || [ "$3" = -d ] || printf '%s\tpeak memory (MiB)\t%s\t%s\n' "$name" "$engine" \
        "$(awk 'END { printf "%.1f", $1 / 1024 }' "$work/peak")" >>"$results"
}

# first_token ENGINE MODEL COMMAND...: seconds from the start of a process to the end of its first token.
first_token() {
    local engine=$1 name start end
    name=$(basename "$2" .gguf)
    shift 2
    start=$(date +%s%N)
    "$@" </dev/null >/dev/null 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    end=$(date +%s%N)
    printf '%s\tfirst token (ms)\t%s\t%s\n' "$name" "$engine" \
        "$(awk -v ns=$((end - start)) 'BEGIN { printf "%.1f", ns / 1e6 }')" >>"$results"
}

text="Once upon a time"
run_engine() {
    local engine=$1 model=$2 program
    if [ "$engine" = swiftlet ]; then
        program=$swiftlet bench_command=(bench) long_flags=()
        first_token swiftlet "$model" "$swiftlet" run -m "$model" -p "$text" -n 1 -t "$threads" -c 512 --temp 0
    else
        program=$peer/llama-bench bench_command=() long_flags=(--no-warmup)
        first_token llama.cpp "$model" "$peer/llama-completion" -m "$model" -p "$text" -n 1 -t "$threads" \
            -c 512 --temp 0 -no-cnv
    fi
    bench "$engine" "$program" "$model" -p "$prompt" -n "$generate"
    if [ "$depth" -gt 0 ] && [ "$model" = "${models[0]}" ]; then
        bench "$engine" "$program" "$model" -d 0 -p "$depth" -n 0 ${long_flags[@]+"${long_flags[@]}"}
        bench "$engine" "$program" "$model" -d "$depth" -p 0 -n 32 ${long_flags[@]+"${long_flags[@]}"}
    fi
}

load=$(uptime | sed 's/.*load average[s]*: //')
if [ "${load%%.*}" -ge 2 ] 2>/dev/null; then
    echo "compare.sh: the machine is busy (load $load); the numbers will not mean much" >&2
fi
for ((round = 1; round <= rounds; round++)); do
    for model in "${models[@]}"; do
        echo "round $round of $rounds: $(basename "$model")" >&2
        # Who goes first changes from round to round.
        if ((round % 2)); then order=(llama.cpp swiftlet); else order=(swiftlet llama.cpp); fi
        for engine in "${order[@]}"; do run_engine "$engine" "$model"; done
    done
done

# Medians by model and measure, in the order of the first round: model, measure, llama.cpp, swiftlet, ratio.
awk -F'\t' '
    function median(key,   n, i, j, v, values) {
        n = split(all[key], values, " ")
        for (i = 2; i <= n; i++) {
            v = values[i] + 0
            for (j = i - 1; j > 0 && values[j] + 0 > v; j--) values[j + 1] = values[j]
            values[j + 1] = v
        }
        return (values[int((n + 1) / 2)] + values[int((n + 2) / 2)]) / 2
    }
    {
        row = $1 "\t" $2
        if (!(row in seen)) { seen[row] = 1; rows[++count] = row }
        all[row "\t" $3] = all[row "\t" $3] " " $4
    }
    END {
        for (i = 1; i <= count; i++) {
            a = median(rows[i] "\tllama.cpp"); b = median(rows[i] "\tswiftlet")
            n = split(all[rows[i] "\tswiftlet"], values, " ")
            if (a > 0 && b > 0) printf "%s\t%.2f\t%.2f\t%.3f\t%d\n", rows[i], a, b, b / a, n
        }
    }' "$results" >"$work/medians.tsv"

report() {
    cat <<TEXT
# Benchmarks

Swiftlet beside llama.cpp, written by \`Benchmarks/compare.sh\`: both on the same files with the same threads, in
turn, medians of the rounds in the last column. Speeds are tokens per second, more is better; for memory and first
token, less is.

- Date: $(date -u +%F)
- Machine: $(machine), $(uname -sm); load at the start: $load
- Swiftlet: $("$swiftlet" --version | sed 's/^swiftlet //'), commit $(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown); $(swift --version 2>/dev/null | head -1 || true)
- llama.cpp: build $(cat "$work/build" 2>/dev/null || echo unknown)
- Threads: $threads; cache f16

![Speed relative to llama.cpp](benchmarks.svg)

| model | measure | llama.cpp | Swiftlet | Swiftlet / llama.cpp | rounds |
|---|---|---:|---:|---:|---:|
$(awk -F'\t' '{ printf "| %s | %s | %s | %s | %.2f | %d |\n", $1, $2, $3, $4, $5, $6 }' "$work/medians.tsv")

\`pp\` processes a prompt, \`tg\` generates, \`@ d\` after so many cached tokens. Peak memory is that of a process that
runs the \`pp\` and \`tg\` tests; mapped weights count. First token is the time of a whole process that reads four words
and writes one token, with the file in the system's cache.

## Commands

Per round and model, in changing order:

\`\`\`
llama-bench -m MODEL -t $threads -r 1 -o csv -p $prompt -n $generate
swiftlet bench -m MODEL -t $threads -r 1 -o csv -p $prompt -n $generate
llama-completion -m MODEL -p "$text" -n 1 -t $threads -c 512 --temp 0 -no-cnv
swiftlet run -m MODEL -p "$text" -n 1 -t $threads -c 512 --temp 0
\`\`\`
TEXT
    [ "$depth" -eq 0 ] || cat <<TEXT

and for $(basename "${models[0]}" .gguf) with both programs \`-d 0 -p $depth -n 0\` and \`-d $depth -p 0 -n 32\`,
llama-bench with \`--no-warmup\`, which would read the whole prompt once more.
TEXT
}

# Bars of the speeds, relative to llama.cpp.
chart() {
    awk -F'\t' '
        $2 ~ /^(pp|tg)/ { n++; name[n] = $1 " " $2; a[n] = $3; b[n] = $4; ratio[n] = $5; if ($5 > top) top = $5 }
        END {
            if (top < 1) top = 1
            left = 230; unit = 400 / top; height = 40 + 44 * n + 24
            printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"%d\" ", height
            printf "font-family=\"sans-serif\" font-size=\"12\">\n"
            print "<title>Tokens per second relative to llama.cpp</title>"
            printf "<rect width=\"760\" height=\"%d\" fill=\"#ffffff\"/>\n", height
            print "<rect x=\"230\" y=\"12\" width=\"12\" height=\"12\" fill=\"#9aa0a6\"/><text x=\"248\" y=\"22\">llama.cpp</text>"
            print "<rect x=\"330\" y=\"12\" width=\"12\" height=\"12\" fill=\"#f05138\"/><text x=\"348\" y=\"22\">Swiftlet</text>"
            print "<text x=\"430\" y=\"22\" fill=\"#5f6368\">tokens per second; llama.cpp is 1</text>"
            for (i = 1; i <= n; i++) {
                y = 40 + 44 * (i - 1)
                printf "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", left - 8, y + 20, name[i]
                printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"15\" fill=\"#9aa0a6\"/>", left, y, unit
                printf "<text x=\"%.1f\" y=\"%d\">%.1f</text>\n", left + unit + 5, y + 12, a[i]
                printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"15\" fill=\"#f05138\"/>", left, y + 17, unit * ratio[i]
                printf "<text x=\"%.1f\" y=\"%d\">%.1f (%.2f×)</text>\n", left + unit * ratio[i] + 5, y + 29, b[i], ratio[i]
            }
            printf "<line x1=\"%.1f\" y1=\"34\" x2=\"%.1f\" y2=\"%d\" stroke=\"#5f6368\" stroke-dasharray=\"3 3\"/>\n", \
                left + unit, left + unit, height - 20
            print "</svg>"
        }' "$work/medians.tsv"
}

mkdir -p "$output"
report >"$work/report" && mv "$work/report" "$output/benchmarks.md"
chart >"$work/chart" && mv "$work/chart" "$output/benchmarks.svg"
echo "wrote benchmarks.md and benchmarks.svg to $output" >&2
