"""Writes Tests/SwiftletModelsTests/Fixtures: tiny random checkpoints and their reference logits.

Developer only; the results are committed. From the root of the repository:

    pip install -r Tests/requirements.txt
    export LLAMA_CPP=…                                     # a checkout of llama.cpp, whose converter is run
    python Tests/Scripts/make_model_fixtures.py            # write every case
    python Tests/Scripts/make_model_fixtures.py --check    # write elsewhere, compare every byte

Nothing is downloaded. Weights depend on the case and tensor names alone. Reference logits are transformers'
own, in float32 with eager attention on one thread; another processor may round them differently in the last
bit or two, which `--check` would report and the tests, whose tolerances are wider, would not.
"""

import argparse
import filecmp
import json
import shutil
import sys
import tempfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import sentencepiece
import torch
import transformers

from fixture_cases import CASES, QUANTISED, Case, Settings, rope_settings
from fixture_convert import convert
from fixture_families import ENCODERS, FAMILIES
from fixture_gguf import through_q8_0, write_gguf

FIXTURES = Path(__file__).resolve().parent.parent / "SwiftletModelsTests" / "Fixtures"
GREEDY_LENGTH = 20
# A mistake must move some logit by this much, and greedy choices must win by it.
VISIBLE = 1e-3
BYTES_LIMIT = 10_000_000

CORPUS = """the quick brown fox jumps over the lazy dog and then the other dog sleeps in the sun
a small model learns to read the words that are written here, and here, and there
she said that the rain in the north is colder than the rain in the south
one two three four five six seven eight nine ten: counting is the start of thinking
"""
TEXTS = ["the rain", "Hello, world!", " two  spaces", "naïve 東京 🙂", "a\nb\tc", "", "the the the"]


# Models


def random_values(case: Case, name: str, shape: torch.Size) -> torch.Tensor:
    """Seeded values for one tensor, spread widely enough that every part of the network matters."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(f"{case.name}/{name}".encode())))
    values = generator.standard_normal(tuple(shape))
    if case.config_class.model_type.startswith("gemma") and "norm" in name:
        values = 0.3 * values  # what is added to 1
    elif case in FAMILIES + ENCODERS and name.endswith("bias"):
        values = 0.3 * values
    elif "norm" in name or ".ln_" in name or ".LayerNorm" in name:
        values = 1 + 0.3 * values
    elif name.endswith("bias"):
        values = 0.3 * values
    elif "embed_tokens" in name:
        values = (0.3 if case.config().tie_word_embeddings else 0.05) * values
    elif "q_proj" in name or "k_proj" in name:
        values = 0.35 * values
    else:
        values = 0.2 * values
    return torch.from_numpy(values.astype(np.float32))


def build(case: Case, **changes) -> transformers.PreTrainedModel:
    """The model of `case` in float32, in evaluation mode, with its seeded weights."""
    config = case.config(**changes)
    config._attn_implementation = case.attention
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(random_values(case, name, parameter.shape))
        for name, buffer in model.named_buffers():
            if name.endswith("expert_bias"):
                buffer.copy_(random_values(case, name, buffer.shape))
    return model


def reload(folder: Path, attention: str) -> transformers.PreTrainedModel:
    """The checkpoint in `folder` as transformers reads it back, widened to float32.

    Tensors are copied out of the mapped file: torch rounds differently for memory not aligned to 64 bytes.
    """
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention, local_files_only=True
    ).eval()
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return model


@torch.no_grad()
def logits(model: transformers.PreTrainedModel, ids: list[int]) -> torch.Tensor:
    """Logits after every position of `ids`, shape [ids, vocabulary]."""
    return model(torch.tensor([ids]), use_cache=False).logits[0]


@torch.no_grad()
def greedy(model: transformers.PreTrainedModel, ids: list[int]) -> list[int]:
    """The next GREEDY_LENGTH ids, never stopping; with and without a cache, which must agree."""
    sequence, cache, fresh = list(ids), None, list(ids)
    for _ in range(GREEDY_LENGTH):
        row = logits(model, sequence)[-1]
        step = model(torch.tensor([fresh]), past_key_values=cache, use_cache=True)
        cache = step.past_key_values
        torch.testing.assert_close(step.logits[0, -1], row, atol=VISIBLE / 10, rtol=0)
        best = row.topk(2).values
        require(float(best[0] - best[1]) > VISIBLE, "a greedy choice is nearly a tie; change the seed")
        fresh = [int(row.argmax())]
        sequence += fresh
    return sequence[len(ids) :]


# Expected results


def prompts(case: Case) -> list[list[int]]:
    """Seeded prompts of the lengths the case asks for."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(f"{case.name}/prompts".encode())))
    vocabulary = case.config().vocab_size
    return [generator.integers(3, vocabulary, length).tolist() for length in case.prompt_lengths]


def write_expected(folder: Path, case: Case, model: transformers.PreTrainedModel, extra: Settings) -> None:
    """Writes expected.f32 (rows of logits, prompt after prompt) and expected.json, its index."""
    rows, index = [], []
    for ids in prompts(case):
        rows.append(logits(model, ids).numpy().astype("<f4"))
        index.append({"ids": ids, "row": sum(len(block) for block in rows[:-1])})
    values = np.concatenate(rows)
    require(bool(np.isfinite(values).all()), f"{case.name}: logits are not finite")
    continued = case.greedy
    expected = {
        "vocabulary": int(values.shape[1]),
        "prompts": index,
        "greedy": {"prompt": continued, "ids": greedy(model, index[continued]["ids"])},
        **extra,
    }
    (folder / "expected.f32").write_bytes(values.tobytes())
    write_json(folder / "expected.json", expected)


def check_mistakes(case: Case, model: transformers.PreTrainedModel) -> None:
    """Requires that every listed mistake moves the logits of the longest prompt."""
    ids = prompts(case)[-1]
    right = logits(model, ids)
    for changes in case.mistakes:
        moved = float((logits(build(case, **changes), ids) - right).abs().max())
        require(moved > VISIBLE, f"{case.name}: {changes} moves the logits by only {moved:.1e}")
        print(f"    {moved:8.1e}  {changes}")


# Cases


def write_case(root: Path, case: Case) -> None:
    """Writes one Hugging Face folder, and its GGUF twin when asked for."""
    folder = root / case.name
    folder.mkdir(parents=True)
    storage = getattr(torch, case.storage)
    build(case).to(storage).save_pretrained(folder, max_shard_size=case.shard_size)
    if case.rewrite_config is not None:
        path = folder / "config.json"
        write_json(path, case.rewrite_config(json.loads(path.read_text())), indent=2)

    model = reload(folder, case.attention)
    built = build(case)
    for parameter in built.parameters():
        parameter.data = parameter.data.to(storage).to(torch.float32)
    for ids in prompts(case):
        require(torch.equal(logits(model, ids), logits(built, ids)), f"{case.name}: reads back differently")
    write_expected(folder, case, model, {})
    if case.storage == "float32":
        check_mistakes(case, model)
    if case.converted:
        (root / "gguf").mkdir(exist_ok=True)
        convert(folder, root / "gguf" / f"{case.name}.gguf")
    if case.gguf:
        (root / "gguf").mkdir(exist_ok=True)
        write_gguf(root / "gguf" / f"{case.name}.gguf", model, quantised=False, vocabulary=None)


def write_encoder(root: Path, case: Case) -> None:
    """Writes an encoder's folder; what is expected are the states of all tokens of every prompt."""
    folder = root / case.name
    folder.mkdir(parents=True)
    config = case.config()
    config._attn_implementation = "eager"
    model = transformers.AutoModel.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(random_values(case, name, parameter.shape))
    model.save_pretrained(folder)
    rows, index = [], []
    for ids in prompts(case):
        with torch.no_grad():
            states = model(torch.tensor([ids])).last_hidden_state[0]
        index.append({"ids": ids, "row": sum(len(block) for block in rows)})
        rows.append(states.numpy().astype("<f4"))
    values = np.concatenate(rows)
    expected = {"vocabulary": int(values.shape[1]), "prompts": index, "greedy": {"prompt": 0, "ids": []}}
    (folder / "expected.f32").write_bytes(values.tobytes())
    write_json(folder / "expected.json", expected)
    if case.converted:
        (root / "gguf").mkdir(exist_ok=True)
        convert(folder, root / "gguf" / f"{case.name}.gguf")


def write_quantised(root: Path, case: Case) -> None:
    """Writes a Q8_0 file with a tokenizer inside; the logits are those of the weights it reads back as."""
    model = build(case)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(through_q8_0(parameter.data))
    vocabulary = train_vocabulary(case.config().vocab_size)
    texts = [{"text": text, "ids": vocabulary.encode(text)} for text in TEXTS]
    (root / "gguf").mkdir(exist_ok=True)
    write_gguf(root / "gguf" / f"{case.name}.gguf", build(case), quantised=True, vocabulary=vocabulary)
    folder = root / case.name
    folder.mkdir()
    write_expected(folder, case, model, {"texts": texts})


def train_vocabulary(size: int) -> sentencepiece.SentencePieceProcessor:
    """A byte-pair vocabulary of `size` pieces in the manner of Llama 2: byte fallback, no normalisation."""
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.splitlines()),
        model_writer=model,
        model_type="bpe",
        vocab_size=size,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def write_rope(root: Path) -> None:
    """Writes rope.json: inverse frequencies and attention factor for many settings, float32 values."""
    entries = []
    for settings in rope_settings():
        config = transformers.LlamaConfig(**settings)
        rope = transformers.models.llama.modeling_llama.LlamaRotaryEmbedding(config)
        frequencies = [float(f"{value:.9g}") for value in rope.inv_freq.tolist()]
        entries.append(
            {**settings, "inverseFrequencies": frequencies, "attentionFactor": rope.attention_scaling}
        )
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    (root / "rope.json").write_text(f"[\n{lines}\n]\n")


# Files


def require(condition: bool, message: str) -> None:
    """Stops with `message` unless `condition` holds."""
    if not condition:
        sys.exit(f"make_model_fixtures: {message}")


def write_json(path: Path, value: Settings, indent: int | None = None) -> None:
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


def write_all(root: Path) -> None:
    """Writes every case below `root`, replacing what an earlier run left there; other files stay."""
    root.mkdir(parents=True, exist_ok=True)
    for name in [case.name for case in CASES + FAMILIES + ENCODERS] + [QUANTISED.name, "gguf"]:
        shutil.rmtree(root / name, ignore_errors=True)
    for case in CASES + FAMILIES:
        print(case.name)
        write_case(root, case)
    for case in ENCODERS:
        print(case.name)
        write_encoder(root, case)
    print(QUANTISED.name)
    write_quantised(root, QUANTISED)
    write_rope(root)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    print(f"{size} bytes")
    require(size < BYTES_LIMIT, f"{size} bytes, more than {BYTES_LIMIT}")


def check(root: Path) -> None:
    """Writes every case to a temporary folder and requires the same files and bytes as in `root`."""
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary)
        write_all(fresh)
        names = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
        stored = {path.relative_to(root) for path in root.rglob("*") if path.is_file()} - {Path("README.md")}
        require(names == stored, f"files differ: {sorted(map(str, names ^ stored))}")
        changed = [
            str(name) for name in sorted(names) if not filecmp.cmp(fresh / name, root / name, shallow=False)
        ]
        require(not changed, f"bytes differ: {changed}")
    print("every byte is the same")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="compare with the stored files instead of writing them"
    )
    parser.add_argument("names", nargs="*", help="write only these cases")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if arguments.names:
        for case in CASES + FAMILIES:
            if case.name in arguments.names:
                shutil.rmtree(FIXTURES / case.name, ignore_errors=True)
                print(case.name)
                write_case(FIXTURES, case)
    else:
        (check if arguments.check else write_all)(FIXTURES)


if __name__ == "__main__":
    main()
