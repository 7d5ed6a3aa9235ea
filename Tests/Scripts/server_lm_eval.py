"""Runs lm-evaluation-harness on a running server, with a likelihood task of four questions.

usage: server_lm_eval.py http://127.0.0.1:8080
"""

import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.chdir(os.path.dirname(os.path.abspath(__file__)))

import lm_eval
import requests
from lm_eval.tasks import TaskManager

BASE = sys.argv[1]
result = lm_eval.simple_evaluate(
    model="local-completions",
    model_args={
        "model": "any", "base_url": BASE + "/v1/completions", "tokenizer_backend": "remote",
        "tokenized_requests": True, "num_concurrent": 2, "max_length": 256, "max_retries": 1,
    },
    tasks=["swiftlet_likelihood"], task_manager=TaskManager(include_path="likelihood"),
    log_samples=True, bootstrap_iters=0)
samples = result["samples"]["swiftlet_likelihood"]
for sample in samples:
    for choice, (value, _) in zip(sample["doc"]["choices"], sample["filtered_resps"]):
        def tokens(text):
            return requests.post(BASE + "/tokenize", json={"content": text}).json()["tokens"]
        context, whole = tokens(sample["doc"]["question"]), tokens(sample["doc"]["question"] + " " + choice)
        answer = requests.post(
            BASE + "/v1/completions",
            json={"prompt": whole, "echo": True, "logprobs": 0, "max_tokens": 0}).json()
        expected = sum(answer["choices"][0]["logprobs"]["token_logprobs"][len(context):])
        assert abs(float(value) - expected) < 1e-3, (sample["doc"], choice, value, expected)
accuracy = result["results"]["swiftlet_likelihood"]["acc,none"]
assert accuracy >= 0.75, accuracy
print(f"lm_eval is content: {accuracy}")
