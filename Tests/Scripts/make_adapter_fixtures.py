"""Writes Tests/SwiftletModelsTests/Fixtures/adapters: LoRA adapters for tiny models, and logits with them.

Developer only; the results are committed. From the root of the repository:

    pip install -r Tests/requirements.txt peft==0.21.2
    export LLAMA_CPP=…                                     # a checkout of llama.cpp, whose converter is run
    python Tests/Scripts/make_adapter_fixtures.py

Nothing is downloaded. The models are those of the cases `llama-gqa`, `phi3` and `qwen3`; logits are PEFT's, in float32.
"""

import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

FIXTURES = Path(__file__).resolve().parent.parent / "SwiftletModelsTests" / "Fixtures"
FOLDER = FIXTURES / "adapters"
IDS = [3, 77, 17, 8, 92, 5, 11, 22, 1, 54, 60, 9]
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
CASES = {
    "llama-all": ("llama-gqa", dict(r=4, lora_alpha=6, target_modules=ATTENTION + ["gate_proj", "up_proj", "down_proj"])),
    "llama-two": ("llama-gqa", dict(r=3, lora_alpha=2, use_rslora=True, target_modules=["q_proj", "down_proj"])),
    "llama-patterns": ("llama-gqa", dict(
        r=2, lora_alpha=4, target_modules=ATTENTION, rank_pattern={"k_proj": 5},
        alpha_pattern={"layers.1.self_attn.q_proj": 9, "v_proj": 1})),
    "phi3-fused": ("phi3", dict(r=4, lora_alpha=4, target_modules=["qkv_proj", "o_proj", "gate_up_proj"])),
    "qwen3": ("qwen3", dict(r=4, lora_alpha=8, target_modules=ATTENTION)),
}


def base(name):
    """The model of a case in float32."""
    return AutoModelForCausalLM.from_pretrained(
        FIXTURES / name, dtype=torch.float32, attn_implementation="eager").eval()


def logits(model):
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0].numpy()


def write(name, case, settings):
    model = get_peft_model(base(case), LoraConfig(task_type="CAUSAL_LM", **settings))
    for key, parameter in model.named_parameters():
        if "lora_" in key:
            random = np.random.Generator(np.random.PCG64(zlib.crc32(f"{name}/{key}".encode())))
            numbers = 0.3 * random.standard_normal(tuple(parameter.shape))
            parameter.data = torch.from_numpy(numbers.astype(np.float16).astype(np.float32))
    folder = FOLDER / name
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = case
    config["target_modules"] = sorted(config["target_modules"])
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    found = logits(model)
    (folder / "expected.f32").write_bytes(found.astype("<f4").tobytes())
    print(name, np.abs(found - logits(base(case))).max(), found.shape)


def both():
    """Two adapters at once, each with its scale."""
    model = PeftModel.from_pretrained(base("llama-gqa"), FOLDER / "llama-all", adapter_name="a")
    model.load_adapter(FOLDER / "llama-two", adapter_name="b")
    model.base_model.set_adapter(["a", "b"])
    for module in model.modules():
        if isinstance(getattr(module, "scaling", None), dict):
            for key, scale in [("a", 0.5), ("b", -1.5)]:
                if key in module.scaling:
                    module.scaling[key] *= scale
    (FOLDER / "llama-both.f32").write_bytes(logits(model.eval()).astype("<f4").tobytes())


def to_gguf(name, case):
    script = Path(os.environ["LLAMA_CPP"]) / "convert_lora_to_gguf.py"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.gguf"
        subprocess.run(
            [sys.executable, script, FOLDER / name, "--base", FIXTURES / case, "--outtype", "f32", "--outfile", out],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (FOLDER / f"{name}.gguf").write_bytes(out.read_bytes())


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (case, settings) in CASES.items():
        write(name, case, settings)
    both()
    for name in ["llama-all", "qwen3", "phi3-fused"]:
        to_gguf(name, CASES[name][0])


main()
