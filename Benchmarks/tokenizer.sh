#!/usr/bin/env bash
# Times Swiftlet's tokenizers against the Rust library `tokenizers`, single-threaded and in turns.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: Benchmarks/tokenizer.sh [options] [DIRECTORY...]

Encodes 10 MB of English (documentation of the installed Python packages) and 10 MB of mixed text (documentation,
source code, and the translations in /usr/share/locale) with both and prints megabytes per second of processor time:
in texts of 8 kB, and as one text. DIRECTORY holds a tokenizer.json; without one, six are trained on a part of the texts.

  -p PYTHON    with `tokenizers` installed, default python3
  -r ROUNDS    repetitions, default 5
  -o FOLDER    keeps texts and tokenizers there, default a temporary folder
  -b           only builds the tool and prints its path; it is the --program of Tests/Scripts/tokenizer_*.py
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/Benchmarks/machine.sh"
python=python3 rounds=5 folder='' builds=''
while getopts p:r:o:bh flag; do
    case $flag in
        p) python=$OPTARG ;; r) rounds=$OPTARG ;; o) folder=$OPTARG ;; b) builds=1 ;;
        h) usage; exit 0 ;; *) usage >&2; exit 64 ;;
    esac
done
shift $((OPTIND - 1))

# The modules that tokenizers need, without the packages that the rest of Swiftlet depends on.
package=$root/.build/tokenizer-tool
mkdir -p "$package/Sources"
for module in CSwiftletKernels SwiftletTensor SwiftletFormats SwiftletText; do
    ln -sfn "$root/Sources/$module" "$package/Sources/$module"
done
ln -sfn "$root/Benchmarks/tokenizer" "$package/Sources/tokenizer-tool"
cat > "$package/Package.swift" <<'TEXT'
// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]
let package = Package(
    name: "tokenizer-tool",
    targets: [
        .target(name: "CSwiftletKernels"),
        .target(name: "SwiftletTensor", dependencies: ["CSwiftletKernels"], swiftSettings: settings),
        .target(name: "SwiftletFormats", dependencies: ["SwiftletTensor"], swiftSettings: settings),
        .target(name: "SwiftletText", dependencies: ["SwiftletFormats"], swiftSettings: settings),
        .executableTarget(
            name: "tokenizer-tool", dependencies: ["SwiftletText", "SwiftletFormats", "SwiftletTensor"],
            exclude: ["compare.py"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6], cLanguageStandard: .c11)
TEXT
swift build -c release --package-path "$package" --product tokenizer-tool >&2
tool=$(swift build -c release --package-path "$package" --show-bin-path)/tokenizer-tool
if [ -n "$builds" ]; then
    echo "$tool"
    exit 0
fi

if [ -z "$folder" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder"
machine
echo
"$python" "$root/Benchmarks/tokenizer/compare.py" --tool "$tool" --folder "$folder" --rounds "$rounds" "$@"
