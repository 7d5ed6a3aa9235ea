"use strict";

// The frame: panels, theme, keys, the message field, and what the server says about itself.

/** The lists at the sides, which cover the page where it is narrow. */
const drawers = {
    narrow: matchMedia("(max-width: 760px)"),
    middle: matchMedia("(max-width: 1100px)"),

    build() {
        byId("side-open").addEventListener("click", () => {
            document.body.classList.toggle(drawers.narrow.matches ? "side-open" : "side-away");
            if (drawers.narrow.matches) byId("side-close").focus();
            drawers.update();
        });
        byId("side-close").addEventListener("click", () => drawers.close());
        byId("scrim").addEventListener("click", () => {
            drawers.close();
            if (drawers.middle.matches) panel.close();
        });
        for (const query of [drawers.narrow, drawers.middle]) query.addEventListener("change", drawers.update);
        drawers.update();
    },

    get isOpen() { return drawers.narrow.matches && document.body.classList.contains("side-open"); },

    close() {
        const wasOpen = drawers.isOpen;
        document.body.classList.remove("side-open");
        drawers.update();
        if (wasOpen) byId("side-open").focus();
    },

    /** What is covered can be neither reached nor read. */
    update() {
        const coversMain = drawers.isOpen || (drawers.middle.matches && panel.isOpen);
        byId("scrim").hidden = !coversMain;
        byId("main").inert = coversMain;
        byId("panel").inert = drawers.isOpen;
        const { classList } = document.body;
        const isSideAway = drawers.narrow.matches ? !drawers.isOpen : classList.contains("side-away");
        byId("side").inert = isSideAway || (drawers.middle.matches && panel.isOpen);
        byId("side-open").setAttribute("aria-expanded", String(!isSideAway));
        for (const name of ["cache", "settings"]) {
            byId(`open-${name}`).setAttribute("aria-expanded", String(panel.shows(name)));
        }
    },
};

/** The panel at the right: cache and settings. */
const panel = {
    current: "cache",
    opener: null,

    build() {
        for (const name of ["cache", "settings"]) {
            byId(`open-${name}`).addEventListener("click", () => panel.toggle(name));
            byId(`tab-${name}`).addEventListener("click", () => panel.open(name));
            byId(`tab-${name}`).addEventListener("keydown", event => {
                if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
                const other = name === "cache" ? "settings" : "cache";
                panel.open(other, `tab-${other}`);
            });
        }
        byId("panel-close").addEventListener("click", panel.close);
        if (lasting.read("swiftlet.panel") === "cache" && !drawers.middle.matches) panel.open("cache");
    },

    get isOpen() { return !byId("panel").hidden; },
    shows(name) { return panel.isOpen && panel.current === name; },

    toggle(name) {
        if (panel.shows(name)) panel.close();
        else panel.open(name, `tab-${name}`);
    },

    open(name, focusId) {
        if (!panel.isOpen) panel.opener = document.activeElement;
        panel.current = name;
        byId("panel").hidden = false;
        for (const each of ["cache", "settings"]) {
            byId(each).hidden = each !== name;
            byId(`tab-${each}`).setAttribute("aria-selected", String(each === name));
            byId(`tab-${each}`).tabIndex = each === name ? 0 : -1;
        }
        lasting.write("swiftlet.panel", name);
        drawers.update();
        cacheView.update();
        const target = focusId ?? (drawers.middle.matches ? `tab-${name}` : null);
        if (target) byId(target).focus();
    },

    /** A button that leads to the field for the server's key. */
    keyButton() {
        return make("button", { type: "button", onclick: () => panel.open("settings", "set-key") }, "Settings");
    },

    close() {
        if (!panel.isOpen) return;
        const hadFocus = byId("panel").contains(document.activeElement);
        byId("panel").hidden = true;
        lasting.write("swiftlet.panel", "");
        drawers.update();
        if (hadFocus) (panel.opener?.isConnected ? panel.opener : byId("input")).focus();
    },
};

/** Light, dark, or as the system has it. */
const theme = {
    names: ["auto", "light", "dark"],

    build() {
        theme.set(lasting.read("swiftlet.theme"));
        byId("theme").addEventListener("click", () => {
            theme.set(theme.names[(theme.names.indexOf(theme.current) + 1) % theme.names.length]);
            lasting.write("swiftlet.theme", theme.current);
        });
    },

    set(name) {
        theme.current = theme.names.includes(name) ? name : "auto";
        document.documentElement.dataset.theme = theme.current;
        setIcon(byId("theme"), theme.current);
        const label = `Colours: ${{ auto: "as the system", light: "light", dark: "dark" }[theme.current]}`;
        byId("theme").title = label;
        byId("theme").setAttribute("aria-label", label);
        cacheView.update();
    },
};

/** The field for messages. */
const composer = {
    build() {
        const input = byId("input");
        byId("composer").addEventListener("submit", event => { event.preventDefault(); composer.send(); });
        byId("stop").addEventListener("click", () => messagesView.run?.stop());
        input.addEventListener("input", composer.resize);
        input.addEventListener("keydown", event => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            composer.send();
        });
    },

    resize() {
        const input = byId("input");
        input.style.height = "auto";
        input.style.height = `${Math.min(input.scrollHeight + 2, 240)}px`;
    },

    send() {
        const input = byId("input");
        const { conversation } = messagesView;
        if (input.value.trim() === "") return;
        if (messagesView.isRunning) return toast("Stop the answer first, or wait for its end.");
        conversation.messages.push({ role: "user", content: input.value });
        conversations.entitle(conversation);
        input.value = "";
        composer.resize();
        answer(conversation);
    },
};

/** What the server says about itself. */
const serverState = {
    model: undefined,

    async load() {
        try {
            const [properties, models] = await Promise.all([server.json("props"), server.json("v1/models")]);
            const model = models.data?.[0];
            settings.properties = properties;
            serverState.model = model?.id;
            byId("model").textContent = model?.id ?? "";
            byId("model").hidden = !model?.id;
            const context = model?.meta?.n_ctx;
            const room = context > 0 ? ` The context holds ${counted(context, "token")}.` : "";
            byId("hint").textContent = `Answers can be wrong.${room}`;
            settings.showDefaults();
            const isLost = "This browser keeps nothing: conversations end with the page.";
            serverState.notice(lasting.isLasting ? "" : isLost);
        } catch (error) {
            serverState.notice(`${error.message} ${error.help}`.trim(), error.status === 401);
            if (error.status !== 401) setTimeout(serverState.load, 2000);
        }
    },

    notice(text, needsKey = false) {
        const box = byId("notice");
        box.hidden = text === "";
        box.replaceChildren(text);
        if (needsKey) {
            box.append(" ", panel.keyButton());
        }
    },
};

/** Keys that work everywhere. */
function handleKey(event) {
    const isTyping = event.target.matches?.("input, textarea, select");
    if (event.key === "Escape" && !event.defaultPrevented) {
        const isInPanel = drawers.middle.matches || byId("panel").contains(document.activeElement);
        if (drawers.isOpen) drawers.close();
        else if (panel.isOpen && isInPanel) panel.close();
        else messagesView.run?.stop();
    } else if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        byId("input").focus();
    } else if (event.altKey && !event.ctrlKey && !event.metaKey) {
        const deeds = {
            KeyN: () => conversations.start(),
            KeyK: () => panel.toggle("cache"),
            KeyS: () => panel.toggle("settings"),
        };
        if (!deeds[event.code]) return;
        event.preventDefault();
        deeds[event.code]();
    }
}

for (const button of document.querySelectorAll("[data-icon]")) setIcon(button, button.dataset.icon);
cacheView.build();
theme.build();
settings.build();
messagesView.build();
composer.build();
conversations.build();
drawers.build();
panel.build();
byId("set-key").addEventListener("change", serverState.load);
document.addEventListener("keydown", handleKey);
serverState.load();
