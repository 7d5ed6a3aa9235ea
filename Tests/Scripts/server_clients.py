"""Talks to a running server with other people's clients: openai, and anthropic if it is installed.

usage: server_clients.py http://127.0.0.1:8080 [--embeddings]

With --embeddings the server is one that embeds texts.
"""

import sys

import openai

BASE = sys.argv[1]
STORY = [{"role": "user", "content": "Tell me a story"}]


def chat(client):
    answer = client.chat.completions.create(model="any", messages=STORY, max_tokens=8, temperature=0, seed=1)
    text = answer.choices[0].message.content
    assert text and answer.choices[0].finish_reason in ("length", "stop"), answer
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    stream = client.chat.completions.create(
        model="any", messages=STORY, max_tokens=8, temperature=0, stream=True,
        stream_options={"include_usage": True})
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    told = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert told == text, (told, text)
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == answer.usage.completion_tokens


def logprobs(client):
    answer = client.chat.completions.create(
        model="any", messages=STORY, max_tokens=5, temperature=0, logprobs=True, top_logprobs=10)
    tokens = answer.choices[0].logprobs.content
    assert "".join(t.token for t in tokens) == answer.choices[0].message.content
    assert all(t.logprob <= 0 and t.bytes is not None and len(t.top_logprobs) == 10 for t in tokens)


def completions(client):
    for prompt in ("Once upon", ["Once upon", "The dog"], [5, 6, 7], [[5, 6], [7]]):
        answer = client.completions.create(model="any", prompt=prompt, max_tokens=3, echo=True, logprobs=1)
        for choice in answer.choices:
            logprobs = choice.logprobs
            assert logprobs.token_logprobs[0] is None and logprobs.top_logprobs[0] is None
            assert len(logprobs.tokens) == len(logprobs.text_offset) == len(logprobs.token_logprobs)
            assert all(x <= 0 for x in logprobs.token_logprobs[1:])
    parts = client.completions.create(model="any", prompt="Once", max_tokens=4, stream=True)
    assert "".join(p.choices[0].text for p in parts)


def responses(client):
    answer = client.responses.create(model="any", input="Tell me a story", max_output_tokens=8, temperature=0)
    assert answer.id.startswith("resp_") and answer.output_text
    text, kinds = "", []
    for event in client.responses.create(
            model="any", input="Tell me a story", max_output_tokens=8, temperature=0, stream=True):
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
    assert text == answer.output_text
    assert kinds[0] == "response.created" and kinds[-1] in ("response.completed", "response.incomplete")


def errors(client):
    for body, field in (({"temperature": -1}, "temperature"), ({"n": 0}, "n")):
        try:
            client.chat.completions.create(model="any", messages=STORY, **body)
        except openai.BadRequestError as error:
            assert error.param == field, error
        else:
            raise AssertionError(f"{body} was taken")
    try:
        client.models.retrieve("nothing")
    except openai.NotFoundError as error:
        assert error.code == "model_not_found"
    else:
        raise AssertionError("an unknown model was found")
    try:
        client.embeddings.create(model="any", input="a")
    except openai.APIStatusError as error:
        assert error.status_code == 501
    assert client.models.list().data[0].owned_by == "swiftlet"


def embeddings(client):
    texts = ["Once upon a time", "The dog", "Once upon a time"]
    answer = client.embeddings.create(model="any", input=texts)  # the client asks for base64
    vectors = [entry.embedding for entry in answer.data]
    assert vectors[0] == vectors[2] != vectors[1] and [entry.index for entry in answer.data] == [0, 1, 2]
    assert all(abs(sum(x * x for x in vector) - 1) < 1e-3 for vector in vectors)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 3
    plain = client.embeddings.create(model="any", input=texts[1], encoding_format="float").data[0].embedding
    assert max(abs(a - b) for a, b in zip(plain, vectors[1])) < 1e-6
    assert len(client.embeddings.create(model="any", input=[[5, 6], [7]], dimensions=8).data[1].embedding) == 8
    try:
        client.completions.create(model="any", prompt="a")
    except openai.APIStatusError as error:
        assert error.status_code == 501
    else:
        raise AssertionError("a model for embeddings has written text")


def messages():
    try:
        import anthropic
    except ImportError:
        return
    client = anthropic.Anthropic(base_url=BASE, api_key="none", max_retries=0)
    fields = dict(model="any", max_tokens=8, messages=STORY, system="Be brief.", extra_body={"temperature": 0})
    answer = client.messages.create(**fields)
    assert answer.content[0].type == "text" and answer.usage.output_tokens > 0
    with client.messages.stream(**fields) as stream:
        text = "".join(stream.text_stream)
    assert text == answer.content[0].text, (text, answer.content)
    assert client.messages.count_tokens(model="any", messages=STORY).input_tokens > 0


client = openai.OpenAI(base_url=BASE + "/v1", api_key="none", max_retries=0)
if "--embeddings" in sys.argv:
    embeddings(client)
else:
    for test in (chat, logprobs, completions, responses, errors):
        test(client)
    messages()
print("all clients are content")
