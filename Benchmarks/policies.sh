#!/usr/bin/env bash
# Measures every cache policy beside the full cache and writes the table of docs/methods/README.md.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: Benchmarks/policies.sh [options]

Runs `swiftlet bench --kv-policy`: generation at a depth of random rows, and a prompt. In each run the full cache and
some policies take turns. The table goes between the marks in OUTPUT/methods/README.md; rows of policies that are not
measured stay as they are, unless they come from another model, depth, prompt or number of threads.

  -m MODEL     the model, default a 135M shape in q8_0, made with `swiftlet synth`
  -k POLICIES  policies apart by spaces, SPEC or SPEC@BUDGET; default: those listed in this script.
               profile.json and map.json are made for the model if a policy names them
  -b BUDGET    of policies that name none, default 20%
  -r ROUNDS    repetitions, default 3     -t THREADS   default 2
  -d DEPTH     cached tokens before generation, default 32768; 0 leaves generation out
  -n TOKENS    generated tokens, default 16
  -p TOKENS    prompt, default 8192; 0 leaves prompts out
  -g COUNT     policies that are measured together, default 5; all their caches are in memory at once
  -s SWIFTLET  the program to measure, default a release build of this checkout
  -o OUTPUT    folder of the documentation, default docs
TEXT
}

# In the order of the table.
default_policies='streaming h2o observed snapkv tova knorm expected random
pyramidkv zigzagkv adakv+snapkv d2o
pyramidinfer@60% uncomp:profile.json uncomp:profile.json,stage=true
kvsharer:map.json
pqcache:ratio=0.2 pqcache:ratio=0.1
q8_0 q4_0 snapkv+q8_0'

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/Benchmarks/machine.sh"
rounds=3 threads=2 depth=32768 generate=16 prompt=8192 group=5 budget=20%
model='' swiftlet='' output=$root/docs policies=$default_policies
while getopts m:k:b:r:t:d:n:p:g:s:o:h flag; do
    case $flag in
        m) model=$OPTARG ;; k) policies=$OPTARG ;; b) budget=$OPTARG ;; r) rounds=$OPTARG ;; t) threads=$OPTARG ;;
        d) depth=$OPTARG ;; n) generate=$OPTARG ;; p) prompt=$OPTARG ;; g) group=$OPTARG ;;
        s) swiftlet=$OPTARG ;; o) output=$OPTARG ;;
        h) usage; exit 0 ;; *) usage >&2; exit 64 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 0 ] || { usage >&2; exit 64; }

fail() { echo "policies.sh: $2" >&2; exit "$1"; }

# absolute PATH: the same file, wherever the script goes.
absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s/%s\n' "$PWD" "$1" ;; esac; }

if [ -z "$swiftlet" ]; then
    swift build -c release --package-path "$root" --product swiftlet >&2
    swiftlet=$(swift build -c release --package-path "$root" --show-bin-path)/swiftlet
fi
swiftlet=$(absolute "$swiftlet") output=$(absolute "$output")
[ -x "$swiftlet" ] || fail 66 "$swiftlet is not a program"
if [ -z "$model" ]; then
    model=${TMPDIR:-/tmp}/swiftlet-models/135m-q8_0.gguf
    mkdir -p "$(dirname "$model")"
    [ -e "$model" ] || "$swiftlet" synth --shape 135m --type q8_0 "$model" >&2
elif [ -e "$model" ]; then
    model=$(absolute "$model")
fi

page=$output/methods/README.md
if [ ! -e "$page" ]; then
    mkdir -p "$(dirname "$page")"
    cp "$root/docs/methods/README.md" "$page"
fi
first_mark='<!-- measured:begin -->' last_mark='<!-- measured:end -->'
for mark in "$first_mark" "$last_mark"; do
    [ "$(grep -cxF -e "$mark" "$page")" = 1 ] || fail 65 "$page needs one line '$mark'"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"      # policies name profile.json and map.json, which are made here
results=$work/results.tsv
: >"$results"

# Profiles of the model, from the text of this checkout's documentation.
case $policies in
    *profile.json* | *map.json*) cat "$root"/README.md "$root"/docs/*.md "$root"/docs/commands/*.md >text.txt ;;
esac
case $policies in
    *profile.json*)
        "$swiftlet" kv profile --method uncomp -m "$model" -t "$threads" -f text.txt -o profile.json \
            --samples 4 --tokens 512 >&2 ;;
esac
case $policies in
    # The weights may be random: layers are shared however much that changes the result.
    *map.json*)
        "$swiftlet" kv profile --method kvsharer -m "$model" -t "$threads" -f text.txt -o map.json \
            --samples 4 --tokens 64 --threshold -1 >&2 ;;
esac

# measure TEST BUDGET POLICY...: one run, added to the results as: test, policy, budget, and the fields below.
measure() {
    local test=$1 bound=$2 flags=() policy
    shift 2
    for policy in "$@"; do flags+=(--kv-policy "$policy"); done
    if [ "$test" = decode ]; then
        flags+=(-d "$depth" --fill random -p 0 -n "$generate")
    else
        flags+=(-p "$prompt" -n 0 --no-warmup)
    fi
    "$swiftlet" bench -m "$model" -t "$threads" -r "$rounds" -o csv --kv-budget "$bound" "${flags[@]}" \
        >csv 2>log || return 1
    awk -v test="$test" '
        NR == 1 { n = split($0, names, ","); for (i = 1; i <= n; i++) column[names[i]] = i; next }
        {
            gsub(/^"|"$/, ""); split($0, f, "\",\"")
            policy = f[column["kv_policy"]]; peak = f[column["peak_cache_bytes"]]
            if (policy == "full") full = peak
            printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", test, policy, f[column["kv_budget"]], \
                f[column["median_ts"]], f[column["speedup"]], f[column["bound"]], f[column["bound_share"]], \
                f[column["cache_bytes"]], f[column["cache_share"]], f[column["bytes_per_token"]], \
                (full > 0 ? peak / full : 0), peak
        }' csv >>"$results"
}

failures=0
# measure_all TEST BUDGET POLICY...: together, or apart if one of them cannot be measured.
measure_all() {
    local test=$1 bound=$2 policy
    shift 2
    echo "$test: $* ($bound)" >&2
    measure "$test" "$bound" "$@" && return
    for policy in "$@"; do
        if [ $# -gt 1 ] && measure "$test" "$bound" "$policy"; then continue; fi
        echo "policies.sh: $policy cannot be measured: $(tail -1 log)" >&2
        failures=$((failures + 1))
    done
}

# measure_groups TEST: all policies, budget by budget; a run takes up to $group of them.
measure_groups() {
    local bound entry batch
    for bound in $(for entry in $policies; do bound_of "$entry"; done | awk '!seen[$0]++'); do
        batch=()
        for entry in $policies; do
            [ "$(bound_of "$entry")" = "$bound" ] || continue
            batch+=("${entry%@*}")
            [ ${#batch[@]} -ge "$group" ] || continue
            measure_all "$1" "$bound" "${batch[@]}"
            batch=()
        done
        [ ${#batch[@]} -eq 0 ] || measure_all "$1" "$bound" "${batch[@]}"
    done
}

# bound_of SPEC[@BUDGET]
bound_of() { case $1 in *@*) echo "${1##*@}" ;; *) echo "$budget" ;; esac; }

load=$(uptime | sed 's/.*load average[s]*: //')
if [ "${load%%.*}" -ge 2 ] 2>/dev/null; then
    echo "policies.sh: the machine is busy (load $load); the numbers will not mean much" >&2
fi
[ "$depth" -eq 0 ] || measure_groups decode
[ "$prompt" -eq 0 ] || measure_groups prompt
[ -s "$results" ] || fail 1 "nothing was measured"

# Lines of the table: those of this run, and the others of the page; the order is that of the list in this script.
rows() {
    awk -F'\t' -v page="$kept" -v order="full ${default_policies//$'\n'/ }" -v first="$first_mark" -v last="$last_mark" \
        -v stamp="$(date -u +%F), $commit" '
        # A row is named as it begins: | POLICY | BUDGET
        function cell(test, row, field, form, scale,   key) {
            key = test SUBSEP row SUBSEP field
            return key in sum ? sprintf(form, sum[key] / count[key] * scale) : "–"
        }
        function line(row,   faster) {
            if (row == "| full | ")
                return row " | " cell("decode", row, 4, "%.1f tokens/s", 1) " | | | " \
                    cell("decode", row, 8, "%.1f MiB", 1 / 1048576) " | " \
                    cell("decode", row, 10, "%.1f", 1 / 1048576) " | " \
                    cell("prompt", row, 4, "%.0f tokens/s", 1) " | " \
                    cell("prompt", row, 12, "%.1f MiB", 1 / 1048576) " | " stamp " |"
            faster = cell("prompt", row, 5, "%.6f", 1)
            return row " | " cell("decode", row, 5, "%.2f×", 1) " | " cell("decode", row, 6, "%.2f×", 1) " | " \
                cell("decode", row, 7, "%.0f %%", 100) " | " cell("decode", row, 9, "%.1f %%", 100) " | " \
                cell("decode", row, 10, "%.1f", 1 / 1048576) " | " \
                (faster + 0 > 0 ? sprintf("%.2f×", 1 / faster) : "–") " | " \
                cell("prompt", row, 11, "%.1f %%", 100) " | " stamp " |"
        }
        function quoted(policy) { return policy == "full" ? policy : "`" policy "`" }
        function add_name(name) { if (!(name in listed)) { listed[name] = 1; names[++total] = name } }
        function add(row, name) {
            add_name(name)
            if (!(row in known)) { known[row] = 1; rows[++rowCount] = row; nameOf[row] = name }
        }
        BEGIN {
            n = split(order, list, / +/)
            for (i = 1; i <= n; i++) { sub(/@.*/, "", list[i]); add_name(quoted(list[i])) }
            while ((getline text < page) > 0) {
                if (text == first) inside = 1
                if (text == last) inside = 0
                if (!inside || text !~ /^\| (full|`[^`]*`) \|/) continue
                split(text, parts, / \| /)
                row = parts[1] " | " parts[2]
                old[row] = text
                add(row, substr(parts[1], 3))
            }
        }
        {
            row = "| " quoted($2) " | " $3
            add(row, quoted($2))
            measured[row] = 1
            for (i = 4; i <= NF; i++) if ($i != "") { sum[$1, row, i] += $i; count[$1, row, i]++ }
        }
        END {
            for (i = 1; i <= total; i++)
                for (j = 1; j <= rowCount; j++)
                    if (nameOf[rows[j]] == names[i]) print (rows[j] in measured) ? line(rows[j]) : old[rows[j]]
        }' "$results"
}

header="| policy | budget | generation after $depth, of full | bound | share of bound | bytes held, of full "
header+="| MiB read per token | time of a prompt of $prompt, of full | most bytes held in it, of full | measured |"
settings="Model $(basename "$model"), $threads threads, cache f16 unless the policy says otherwise."
kept=/dev/null
if grep -qxF -e "$header" "$page" && grep -qxF -e "$settings" "$page"; then kept=$page; fi
commit=$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)

block() {
    cat <<TEXT
$first_mark
$settings
Last run of \`Benchmarks/policies.sh\`: $(date -u +%F), $rounds repetitions, $(machine), $(uname -sm), load at the start
$load; $("$swiftlet" --version), commit $commit.

$header
|---|---|---:|---:|---:|---:|---:|---:|---:|---|
$(cat rows)

\`\`\`
swiftlet bench -m MODEL -t $threads -r $rounds --kv-policy POLICY --kv-budget BUDGET -d $depth --fill random -p 0 -n $generate
swiftlet bench -m MODEL -t $threads -r $rounds --kv-policy POLICY --kv-budget BUDGET -p $prompt -n 0 --no-warmup
\`\`\`
$last_mark
TEXT
}

rows >rows
block >block
awk -v first="$first_mark" -v last="$last_mark" '
    $0 == first { while ((getline text < "block") > 0) print text; inside = 1 }
    !inside { print }
    $0 == last { inside = 0 }' "$page" >page
cat page >"$page"
echo "wrote the table of $page" >&2
[ "$failures" -eq 0 ] || fail 1 "$failures measurements are missing"
