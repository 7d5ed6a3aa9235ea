"""Writes schemas.json: for each schema, texts that a grammar made of it must accept or refuse.

Values are drawn at random along the schema and judged by the jsonschema library; values that it accepts are written
in three styles. Values that it refuses come from random changes. Run: python3 make_schemas.py
"""
import json
import random
import re
import jsonschema

SCHEMAS = [
    {}, True,
    {"type": "null"}, {"type": "boolean"}, {"type": "integer"}, {"type": "number"}, {"type": "string"},
    {"type": ["string", "null"]}, {"type": ["integer", "array"], "items": {"type": "boolean"}},
    {"enum": ["red", "green", 3, None, {"a": [1]}]}, {"const": "x\"y\\z\né"}, {"const": {"a": 1, "b": [True]}},
    {"enum": ["a", "bb", "ccc", 4], "type": "string", "minLength": 2},
    {"enum": [1, 2.5, 10, -3], "maximum": 5},
    {"type": "integer", "minimum": 0, "maximum": 150}, {"type": "integer", "minimum": -37, "maximum": 1204},
    {"type": "integer", "exclusiveMinimum": -5, "exclusiveMaximum": 5}, {"type": "integer", "minimum": 99},
    {"type": "integer", "maximum": -7}, {"type": "integer", "minimum": 7.5, "maximum": 12.5},
    {"type": "integer", "multipleOf": 7}, {"type": "integer", "multipleOf": 6, "minimum": -20, "maximum": 100},
    {"type": "number", "minimum": 0, "maximum": 1}, {"type": "number", "minimum": -1.25, "maximum": 3.75},
    {"type": "number", "exclusiveMinimum": 0}, {"type": "number", "exclusiveMaximum": -0.5},
    {"type": "number", "exclusiveMinimum": 2.5, "exclusiveMaximum": 2.75}, {"type": "number", "maximum": 10},
    {"type": "number", "minimum": 1.5, "maximum": 1.5}, {"type": "number", "minimum": 0.001, "maximum": 1234.5678},
    {"type": "string", "minLength": 2, "maxLength": 5}, {"type": "string", "maxLength": 200},
    {"type": "string", "minLength": 3}, {"type": "string", "pattern": "^[a-z]+$"},
    {"type": "string", "pattern": "ab"}, {"type": "string", "pattern": "^a|b$", "maxLength": 4},
    {"type": "string", "pattern": "^\\d{3}-[^x\"]{1,3}$"}, {"type": "string", "pattern": "[\"\\\\]", "minLength": 2},
    {"type": "string", "format": "date"}, {"type": "string", "format": "uuid"},
    {"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"},
    {"type": "array"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
    {"type": "array", "items": {"type": "integer"}, "minItems": 2}, {"type": "array", "maxItems": 0},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 70, "maxItems": 90},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "null"}, "minItems": 1, "maxItems": 4},
    {"type": "array", "prefixItems": [{"type": "integer"}], "items": False, "minItems": 1},
    {"type": "object"}, {"type": "object", "additionalProperties": {"type": "integer"}},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "null"}}},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "null"}}, "required": ["b"]},
    {"type": "object", "properties": {"a": {"type": "integer"}, "ab": {"type": "string"}}, "required": ["ab"], "additionalProperties": {"type": "boolean"}},
    {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
    {"type": "object", "properties": {"a": True, "b": False}, "required": ["a"]},
    {"type": "object", "patternProperties": {"^x_": {"type": "integer"}, "_y$": {"minimum": 3, "type": "integer"}}, "additionalProperties": False},
    {"type": "object", "properties": {"x_a": {"maximum": 9}}, "patternProperties": {"^x_": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"type": "integer"}}, "minProperties": 2, "additionalProperties": False},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"type": "integer"}}, "maxProperties": 2, "required": ["c"], "additionalProperties": False},
    {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 2, "minProperties": 1},
    {"type": "object", "properties": {"k\"\né": {"type": "integer"}}, "required": ["k\"\né"]},
    {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 3}]},
    {"type": "object", "properties": {"kind": {"type": "string"}}, "anyOf": [{"properties": {"x": {"type": "integer"}}, "required": ["x"]}, {"required": ["kind"]}]},
    {"oneOf": [{"type": "integer"}, {"type": "string"}]},
    {"oneOf": [
        {"type": "object", "properties": {"t": {"const": "a"}, "v": {"type": "integer"}}, "required": ["t", "v"]},
        {"type": "object", "properties": {"t": {"const": "b"}, "v": {"type": "string"}}, "required": ["t"]}]},
    {"oneOf": [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 10}]},
    {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 20}, {"multipleOf": 5}]},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]},
    {"allOf": [{"type": "object", "properties": {"a": {"minimum": 3}}}, {"properties": {"a": {"type": "integer", "maximum": 5}}, "required": ["a"]}]},
    {"allOf": [{"type": "string", "pattern": "^a"}, {"pattern": "z$"}, {"minLength": 3}]},
    {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}}, "required": ["value", "next"], "additionalProperties": False}}},
    {"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}}, "required": ["name"], "additionalProperties": False},
    {"definitions": {"a/b~c d": {"type": "integer"}}, "$ref": "#/definitions/a~1b~0c%20d"},
    {"$defs": {"pos": {"type": "integer", "minimum": 1}}, "type": "array", "items": {"$ref": "#/$defs/pos", "maximum": 9}},
    {"title": "T", "description": "d", "default": 1, "examples": [2], "$comment": "c", "type": "integer"},
    {"properties": {"a": {"type": "integer"}}}, {"items": {"type": "integer"}}, {"minimum": 4},
    {"type": "object", "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 100}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["x", "y"]}, "maxItems": 3},
        "address": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9]{5}$"}}, "required": ["city", "zip"], "additionalProperties": False},
        "born": {"type": "string", "format": "date"}}, "required": ["name", "age", "address"], "additionalProperties": False},
]

CHARACTERS = "abxyz019 _-\"\\\n\té€😀/"
SPECIAL = ["ab", "xab", "abc", "a", "b", "ab", "aab", "z", "axz", "abcz", "123-a", "123-é\\", "\"a", "\\\\", "zz\"", "00000", "94110",
           "2024-02-29", "2023-02-28", "1999-12-31", "2023-02-29", "2000-02-29", "1900-02-29", "2024-13-01",
           "550e8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000", "192.168.0.1", "256.1.1.1", "1.2.3",
           "::1", "2001:db8::8a2e:370:7334", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::ffff:1.2.3.4", "1::2::3", "x_a", "x_y", "b_y"]


# How often a value does not follow its schema; what is valid all the same may have keys that are never written.
wildness = 0.0


def resolve(root, schema):
    if isinstance(schema, dict) and "$ref" in schema:
        target = root
        for step in schema["$ref"].split("/")[1:]:
            target = target[step.replace("%20", " ").replace("~1", "/").replace("~0", "~")]
        rest = {k: v for k, v in schema.items() if k not in ("$ref", "$defs", "definitions")}
        return merge([resolve(root, target), rest])
    return schema


def merge(schemas):
    result = {}
    for schema in schemas:
        for key, value in schema.items():
            if key == "properties" and key in result:
                result[key] = {**result[key], **{k: ({**result[key].get(k, {}), **v} if isinstance(v, dict) else v) for k, v in value.items()}}
            elif key == "required" and key in result:
                result[key] = result[key] + [k for k in value if k not in result[key]]
            else:
                result[key] = value
    return result


def anything(depth):
    choice = random.randrange(8 if depth > 0 else 5)
    if choice == 0: return None
    if choice == 1: return random.random() < 0.5
    if choice == 2: return random.randint(-1000, 1000)
    if choice == 3: return round(random.uniform(-100, 100), random.randrange(4))
    if choice == 4: return text()
    if choice == 5: return [anything(depth - 1) for _ in range(random.randrange(3))]
    return {text(): anything(depth - 1) for _ in range(random.randrange(3))}


def text():
    if random.random() < 0.4: return random.choice(SPECIAL)
    return "".join(random.choice(CHARACTERS) for _ in range(random.randrange(7)))


def draw(root, schema, depth):
    """A value that is likely to satisfy the schema."""
    schema = resolve(root, schema)
    if schema is True or schema == {} or random.random() < wildness: return anything(2)
    if schema is False: return None
    if "const" in schema: return schema["const"]
    if "enum" in schema: return random.choice(schema["enum"])
    if "allOf" in schema:
        return draw(root, merge([resolve(root, s) for s in schema["allOf"]] + [{k: v for k, v in schema.items() if k != "allOf"}]), depth)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            options = schema[key]
            if depth <= 0 and any(isinstance(o, dict) and o.get("type") == "null" for o in options): return None
            rest = {k: v for k, v in schema.items() if k != key}
            return draw(root, merge([rest, resolve(root, random.choice(options))]), depth)
    kind = schema.get("type")
    if kind is None:
        kind = ("object" if any(k in schema for k in ("properties", "required", "additionalProperties", "patternProperties")) else
                "array" if "items" in schema or "prefixItems" in schema else
                "number" if any(k in schema for k in ("minimum", "maximum", "multipleOf")) else "string")
    if isinstance(kind, list): kind = random.choice(kind)
    if kind == "null": return None
    if kind == "boolean": return random.random() < 0.5
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", schema.get("maximum", schema.get("exclusiveMaximum", 0)) - 50))
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + 100))
        if random.random() < 0.3: value = random.choice([low, high])
        elif kind == "integer": value = random.randint(int(low), max(int(high), int(low)))
        else: value = round(random.uniform(low, high), random.randrange(6))
        if kind == "integer":
            value = int(value)
            if "multipleOf" in schema: value -= value % schema["multipleOf"]
        return value
    if kind == "string":
        value = text()
        if schema.get("maxLength", 0) > 50: value = "".join(random.choice(CHARACTERS) for _ in range(random.randrange(schema["maxLength"] + 3)))
        return value
    if kind == "array":
        prefix = schema.get("prefixItems", [])
        most = schema.get("maxItems", 4 if schema.get("items", True) is not False and (not prefix or "items" in schema) else len(prefix))
        count = random.randint(schema.get("minItems", 0), max(most, schema.get("minItems", 0))) if depth > 0 else schema.get("minItems", 0)
        return [draw(root, prefix[i] if i < len(prefix) else schema.get("items", True), depth - 1) for i in range(count)]
    result = {}
    for key, value in schema.get("properties", {}).items():
        if key in schema.get("required", []) or (random.random() < 0.5 and depth > 0): result[key] = draw(root, value, depth - 1)
    for key in schema.get("required", []):
        if key not in result: result[key] = anything(1)
    more = schema.get("additionalProperties", not schema.get("properties") and not schema.get("patternProperties"))
    if depth > 0:
        for _ in range(random.randrange(3)):
            key = text()
            matching = [s for p, s in schema.get("patternProperties", {}).items() if re.search(p, key)]
            if key in result or key in schema.get("properties", {}): continue
            if matching: result[key] = draw(root, merge(matching), depth - 1)
            elif more is not False: result[key] = draw(root, more, depth - 1)
    return result


def change(value):
    """A value with something changed."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        result = dict(value)
        key = random.choice(list(result))
        action = random.randrange(3)
        if action == 0: del result[key]
        elif action == 1: result[key] = change(result[key])
        else: result[random.choice(["zz", "x_q", text()])] = anything(1)
        return result
    if isinstance(value, list) and value and random.random() < 0.8:
        result = list(value)
        index = random.randrange(len(result))
        action = random.randrange(3)
        if action == 0: del result[index]
        elif action == 1: result[index] = change(result[index])
        else: result.insert(index, anything(1))
        return result
    if isinstance(value, bool) or value is None: return anything(1)
    if isinstance(value, (int, float)) and random.random() < 0.7: return value + random.choice([-100, -1, -0.25, 0.25, 1, 5, 100])
    if isinstance(value, str) and random.random() < 0.7: return random.choice([value + "a", value[:-1], "9" + value, value * 2])
    return anything(1)


def styles(value):
    yield json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    yield json.dumps(value, ensure_ascii=False)
    yield json.dumps(value, ensure_ascii=False, indent=2)


def main():
    random.seed(7)
    cases = []
    for schema in SCHEMAS:
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        accept, reject = [], []
        global wildness
        for round_ in range(400):
            wildness = 0.05 if round_ % 2 else 0.0
            value = draw(schema, schema, 3)
            if not validator.is_valid(value):
                reject.append(value)
            elif len(accept) < 25 and not wildness and not ("integer" in str(schema) and re.search(r"\.0\b", json.dumps(value))):
                accept.append(value)
            changed = change(value)
            if not validator.is_valid(changed): reject.append(changed)
        texts = {t for v in accept for t in list(styles(v))[:3] if len(t) < 800}
        wrong = [json.dumps(v, ensure_ascii=False, separators=(",", ":")) for v in reject]
        wrong += [t[:-1] for t in texts] + [t + "," for t in list(texts)[:2]] + [" " + t for t in list(texts)[:1]]
        def is_wrong(text):
            try: return not validator.is_valid(json.loads(text)) or text[:1] == " "
            except ValueError: return True
        wrong = [t for t in wrong if len(t) < 400 and is_wrong(t)]
        random.shuffle(wrong)
        pick = sorted(texts)
        random.shuffle(pick)
        cases.append({"schema": schema, "accept": sorted(pick[:24]), "reject": sorted(set(wrong[:24]))})
    with open("schemas.json", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")
    print(len(cases), sum(len(c["accept"]) for c in cases), sum(len(c["reject"]) for c in cases))
    print([json.dumps(c["schema"])[:60] for c in cases if len(c["accept"]) < 3])


main()
