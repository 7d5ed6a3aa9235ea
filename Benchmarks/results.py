"""Writes the tables of docs/results.md from what Benchmarks/results.sh measured: results.py WORK PAGE."""

import glob
import json
import os
import sys

BUDGETS = ["10%", "20%", "30%", "50%"]

# The policies that each page of docs/methods shows, with those to compare with.
PAGES = {
    "adakv": ["adakv+snapkv", "snapkv", "adakv+expected", "expected"],
    "d2o": ["d2o", "h2o"],
    "expected": ["expected", "snapkv"],
    "h2o": ["h2o", "observed"],
    "knorm": ["knorm", "random"],
    "kvsharer": ["kvsharer:kvsharer.json", "kvsharer:kvsharer.json+snapkv+q8_0"],
    "pqcache": ["pqcache"],
    "pyramidinfer": ["pyramidinfer"],
    "pyramidkv": ["pyramidkv", "snapkv"],
    "random": ["random", "streaming"],
    "snapkv": ["snapkv", "snapkv+q8_0"],
    "streaming": ["streaming", "random"],
    "tova": ["tova", "snapkv"],
    "uncomp": ["uncomp:uncomp.json", "snapkv"],
    "zigzagkv": ["zigzagkv", "snapkv"],
}


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def table(header, rows):
    """Markdown; all columns but the first are numbers."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *rows])


def percent(quality, key="score"):
    return "–" if quality is None else f"{100 * quality[key]:.0f}"


def quality(report, policies=None):
    """Score of policies under every budget, without and with sight of the question."""
    found = {(e["policy"], e["budget"]): e for e in report["entries"]}
    rows = []
    for policy in policies or report["manifest"]["policies"]:
        bounded = [found.get((policy, budget)) for budget in BUDGETS]
        free = found.get((policy, None))
        cells = []
        for entry in bounded:
            if entry is None and free is not None:
                cells.append("")
            elif entry is None or entry["refusal"]:
                cells.append("refused")
            else:
                q = entry["quality"]
                cells.append(f"{percent(q['agnostic'])} / {percent(q['aware'])}")
        own = "" if free is None else f"{percent(free['quality']['agnostic'])} / {percent(free['quality']['aware'])}"
        rows.append([f"`{policy}`", own, *cells])
    return table(["policy", "no bound", *BUDGETS], rows)


def intervals(report, budget="20%"):
    """Paired differences to eviction by age and by chance, with their intervals."""
    rows = []
    for entry in report["entries"]:
        if entry["budget"] != budget or entry["refusal"]:
            continue
        cells = [f"`{entry['policy']}`"]
        for mode in ("agnostic", "aware"):
            for other in ("over_full", "over_streaming"):
                d = entry["quality"][mode][other]
                cells.append(
                    "" if d is None else f"{100 * d['score']:+.0f} [{100 * d['low']:+.0f}, {100 * d['high']:+.0f}]")
        rows.append(cells)
    header = ["policy", "without the question: over `full`", "over `streaming`", "with it: over `full`",
              "over `streaming`"]
    return table(header, rows)


def costs(report, budget="20%"):
    full = next(e for e in report["entries"] if e["policy"] == "full")["cost"]
    rows = []
    for entry in report["entries"]:
        cost = entry["cost"]
        if entry["budget"] not in (None, budget) or entry["refusal"] or cost is None:
            continue
        rows.append([
            f"`{entry['policy']}`", entry["budget"] or "",
            f"{100 * cost['bytes_after_prompt'] / full['bytes_after_prompt']:.0f} %",
            f"{100 * cost['peak_bytes'] / full['peak_bytes']:.0f} %",
            f"{100 * cost['cache_bytes_per_token'] / full['cache_bytes_per_token']:.0f} %",
            f"{cost['first_token_seconds'] / full['first_token_seconds']:.2f}",
            f"{cost['tokens_per_second'] / full['tokens_per_second']:.2f}"])
    header = ["policy", "budget", "held", "most", "read per token", "time to first token", "tokens/s"]
    return table(header, rows)


def divergences(work, policies=None):
    rows = []
    for path in sorted(glob.glob(f"{work}/kl-*.json")):
        kl = load(path)
        calibration = load(path.replace("kl-", "calibration-"))
        if policies is not None and kl["cache"]["policy"] not in policies:
            continue
        full, tested = calibration["caches"]
        share = kl["cache"]["after_prompt"]["share"]
        rows.append([
            f"`{kl['cache']['policy']}`", f"{100 * share:.0f} %", f"{kl['ppl_tested']:.2f}",
            f"{kl['kl']['mean']:.4f} ± {kl['kl']['error']:.4f}", f"{100 * kl['top1_agreement']:.1f} %",
            f"{tested['full_ece']:.4f}", f"{tested['full_ece'] - full['full_ece']:+.4f}"])
    first = load(f"{work}/kl-02.json")
    caption = f"Perplexity of the full cache: {first['ppl_full']:.2f} ± {first['ppl_full_error']:.2f}, {first['tokens']} tokens."
    header = ["policy", "rows after the prompt", "perplexity", "KL to the full cache", "same top token", "Full-ECE",
              "to full"]
    return table(header, rows) + "\n\n" + caption


def sharing(work):
    rows = []
    for layers in (1, 2, 3, 4):
        cells = [str(layers)]
        for order in ("dissimilar", "similar"):
            kl = load(f"{work}/sharing-{order}-{layers}.json")
            cells += [f"{kl['ppl_tested']:.1f}", f"{kl['kl']['mean']:.3f}"]
        rows.append(cells)
    header = ["layers that borrow", "dissimilar first: perplexity", "KL", "similar first: perplexity", "KL"]
    return table(header, rows)


def fill(page, blocks):
    """Replaces what stands between the marks of every block."""
    with open(page, encoding="utf-8") as file:
        text = file.read()
    for name, block in blocks.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            sys.exit(f"results.py: {page} needs one '{begin}' and one '{end}'")
        head, rest = text.split(begin)
        text = f"{head}{begin}\n{block}\n{end}{rest.split(end)[1]}"
    with open(page, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    work, page = sys.argv[1:]
    report = load(f"{work}/report/report.json")
    with open(f"{work}/seconds", encoding="utf-8") as file:
        seconds = int(file.read())
    m = report["manifest"]
    blocks = {
        "run": f"Model `{m['model']}`, {m['version']}, {m['processor']}, {m['threads']} threads, {m['date'][:10]}; "
               f"{report['done']} measurements of `eval compare` in {seconds // 60} min {seconds % 60} s.",
        "quality": quality(report), "intervals": intervals(report), "costs": costs(report),
        "divergence": divergences(work), "sharing": sharing(work)}
    fill(page, blocks)
    for name, policies in PAGES.items():
        block = "\n\n".join([quality(report, policies), divergences(work, policies)])
        fill(f"{os.path.dirname(page)}/methods/{name}.md", {"results": block})


main()
