"""Writes a Hugging Face folder as GGUF with llama.cpp's converter, from the checkout that LLAMA_CPP names.

The folders have no tokenizer, so the step that writes one is left out. Runs as a process of its own, because the
converter needs the gguf package of its checkout.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def convert(folder: Path, path: Path) -> None:
    """Writes the float32 model in `folder` to `path`."""
    subprocess.run([sys.executable, __file__, folder, path], check=True)


def main(folder: Path, path: Path) -> None:
    checkout = os.environ.get("LLAMA_CPP")
    if checkout is None:
        sys.exit("fixture_convert: set LLAMA_CPP to a checkout of llama.cpp")
    sys.path[:0] = [checkout, f"{checkout}/gguf-py"]
    import conversion
    import gguf

    logging.disable(logging.WARNING)
    settings = conversion.ModelBase.load_hparams(folder, False)
    settings["architectures"] = [name.replace("MptFor", "MPTFor") for name in settings["architectures"]]
    name = conversion.get_model_architecture(settings, conversion.ModelType.TEXT)
    name = {"ModernBertForMaskedLM": "ModernBertModel"}.get(name, name)
    model_class = conversion.get_model_class(name)
    model_class.set_vocab = lambda self: None
    with tempfile.TemporaryDirectory() as temporary:
        copy = shutil.copytree(folder, Path(temporary) / folder.name)
        # Some models are cut to the size of the vocabulary, whatever is in it.
        pieces = {str(index): index for index in range(settings["vocab_size"])}
        tokenizer = {"added_tokens": [], "model": {"vocab": pieces}}
        (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
        (copy / "config.json").write_text(json.dumps(settings))
        writer = model_class(copy, gguf.LlamaFileType.ALL_F32, path)
        rotation = settings.get("rope_parameters") or {}
        # An older key, which is read.
        writer.hparams.setdefault("rotary_pct", rotation.get("partial_rotary_factor", 1.0))
        writer.write()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
