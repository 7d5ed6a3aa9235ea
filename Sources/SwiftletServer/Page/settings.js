"use strict";

// What is asked besides the messages. An empty field is not sent: the server then takes its own default, which stands
// in the field in grey.

const cacheTypes = ["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"];

/** Fields of the form: the name in the request, the label, and what may be entered. */
const settingGroups = [
    ["Instructions", [
        { name: "system", label: "System prompt", kind: "text" },
    ]],
    ["Cache", [
        { name: "kv_policy", label: "Policy", kind: "policy", help: "Which tokens stay in the cache." },
        {
            name: "kv_budget", label: "Budget", kind: "line", example: "20%",
            help: "A share such as 20%, or rows per head such as 512.",
        },
        { name: "kv_type_k", label: "Keys stored as", kind: "choice", choices: cacheTypes },
        { name: "kv_type_v", label: "Values stored as", kind: "choice", choices: cacheTypes },
    ]],
    ["Sampling", [
        { name: "temperature", label: "Temperature", kind: "number", min: 0, max: 100 },
        { name: "top_p", label: "Top p", kind: "number", min: 0, max: 1 },
        { name: "top_k", label: "Top k", kind: "whole", min: 0, max: 2147483647 },
        { name: "min_p", label: "Min p", kind: "number", min: 0, max: 1 },
        { name: "seed", label: "Seed", kind: "whole", min: 0, max: 9007199254740991 },
        { name: "max_tokens", label: "Tokens at most", kind: "whole", min: 1, max: 1073741824 },
    ]],
    ["Server", [
        { name: "key", label: "API key", kind: "key", help: "Forgotten when this tab is closed." },
    ]],
];

const settings = {
    values: lasting.readObject("swiftlet.settings") ?? {},
    fields: new Map(),
    properties: null,

    /** The value of a field as text. */
    text(name) {
        const value = name === "key" ? passing.read("swiftlet.key") : settings.values[name];
        return typeof value === "string" ? value : "";
    },

    set(name, value) {
        if (name === "key") {
            if (value) passing.write("swiftlet.key", value);
            else passing.remove("swiftlet.key");
            return;
        }
        if (value) settings.values[name] = value;
        else delete settings.values[name];
        lasting.write("swiftlet.settings", JSON.stringify(settings.values));
    },

    /** The fields of a request. */
    request() {
        const fields = {};
        for (const [, group] of settingGroups) {
            for (const { name, kind } of group) {
                const text = settings.text(name).trim();
                if (text === "" || name === "system" || name === "key") continue;
                fields[name] = kind === "number" || kind === "whole" ? Number(text) : text;
            }
        }
        return fields;
    },

    /** The first field whose value cannot be sent. */
    firstProblem() {
        return [...settings.fields.values()].find(field => !field.checkValidity()) ?? null;
    },

    // The form

    build() {
        const form = byId("settings");
        form.replaceChildren(...settingGroups.map(([title, group]) =>
            make("fieldset", {}, make("legend", {}, title), ...group.map(settings.row))));
        form.append(
            make("button", { type: "button", id: "defaults", onclick: settings.reset }, "Back to the defaults"),
            settings.keyboardHelp());
        form.addEventListener("submit", event => event.preventDefault());
        settings.showDefaults();
    },

    row(spec) {
        const id = `set-${spec.name}`;
        const helpId = `${id}-help`;
        const field = settings.field(spec, id);
        settings.fields.set(spec.name, field);
        const control = spec.kind === "policy" ? settings.policyControl(field) : [field];
        if (spec.help) field.setAttribute("aria-describedby", helpId);
        return make(
            "div.field", { data: { kind: spec.kind } }, make("label", { for: id }, spec.label), ...control,
            spec.help ? make("p.quiet", { id: helpId }, spec.help) : null);
    },

    field(spec, id) {
        const oninput = event => settings.set(spec.name, event.target.value);
        const value = settings.text(spec.name);
        switch (spec.kind) {
        case "text": return make("textarea", { id, value, rows: 3, dir: "auto", oninput });
        case "choice": return settings.choice(id, ["", ...spec.choices], value, oninput);
        case "number": case "whole":
            return make("input", {
                id, value, type: "number", min: spec.min, max: spec.max, step: spec.kind === "whole" ? 1 : "any",
                inputMode: "decimal", oninput,
            });
        case "key":
            return make("input", { id, value, type: "password", autocomplete: "off", spellcheck: false, oninput });
        default:
            return make("input", {
                id, value, type: "text", maxLength: 256, spellcheck: false, autocapitalize: "off", oninput,
                placeholder: spec.example ? `for example ${spec.example}` : "",
            });
        }
    },

    choice(id, names, value, oninput) {
        const options = names.map(name => make("option", { value: name }, name || "default"));
        const select = make("select", { id, oninput }, ...options);
        select.value = value;
        return select;
    },

    /** A list of policies above the field for a specification of one's own. */
    policyControl(field) {
        const list = make("select", {
            id: "policies", "aria-label": "Policies",
            onchange: () => {
                const isOwn = list.value === "own";
                settings.showPolicyField(isOwn);
                if (isOwn) return field.focus();
                field.value = list.value;
                settings.set("kv_policy", list.value);
            },
        });
        field.setAttribute("aria-label", "Policy in words of the command line");
        field.placeholder = "for example snapkv:window=32+pyramidkv";
        settings.policies = list;
        settings.showPolicies();
        return [list, field];
    },

    showPolicies() {
        const known = (settings.properties?.kv_policies ?? []).map(policy =>
            typeof policy === "string" ? { name: policy, summary: "" } : policy);
        const own = settings.properties?.kv_policy;
        settings.policies.replaceChildren(
            make("option", { value: "" }, typeof own === "string" ? `default (${own})` : "default"),
            ...known.map(({ name, summary }) => make("option", { value: name, title: summary }, name)),
            make("option", { value: "own" }, "another…"));
        const value = settings.text("kv_policy");
        const isListed = value === "" || known.some(policy => policy.name === value);
        settings.policies.value = isListed ? value : "own";
        settings.showPolicyField(!isListed);
    },

    showPolicyField(isShown) {
        const field = settings.fields.get("kv_policy") ?? byId("set-kv_policy");
        if (field) field.hidden = !isShown;
    },

    /** Writes the server's defaults into the empty fields, as placeholders. */
    showDefaults() {
        if (!settings.properties) return;
        const defaults = settings.properties.default_generation_settings?.params ?? {};
        for (const name of ["temperature", "top_p", "top_k", "min_p", "max_tokens"]) {
            const value = defaults[name];
            if (typeof value === "number" && value >= 0) {
                settings.fields.get(name).placeholder = String(Number(value.toPrecision(6)));
            }
        }
        settings.fields.get("seed").placeholder = "random";
        const budget = settings.properties.kv_budget;
        if (typeof budget === "string") settings.fields.get("kv_budget").placeholder = budget;
        settings.showPolicies();
    },

    reset() {
        settings.values = {};
        lasting.remove("swiftlet.settings");
        for (const [name, field] of settings.fields) if (name !== "key") field.value = "";
        settings.showPolicies();
        toast("The settings are back at the server's defaults.");
    },

    keyboardHelp() {
        const keys = [
            ["Enter", "send"], ["Shift Enter", "new line"], ["Esc", "stop, or close a panel"],
            ["/", "go to the message field"], ["Alt N", "new conversation"], ["Alt K", "cache"],
            ["Alt S", "settings"], ["Arrow keys", "walk through tokens and the map"],
        ];
        const rows = keys.flatMap(([key, deed]) => [
            make("dt", {}, ...key.split(" ").map(part => make("kbd", {}, part))), make("dd", {}, deed),
        ]);
        return make("details", {}, make("summary", {}, "Keyboard"), make("dl.keys", {}, ...rows));
    },
};
