#include "page.h"

// `#embed` is C23; Clang offers it in all modes since version 19.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char index_html[] = {
#embed "../SwiftletServer/Page/index.html"
};
static const unsigned char style_css[] = {
#embed "../SwiftletServer/Page/style.css"
};
static const unsigned char chat_css[] = {
#embed "../SwiftletServer/Page/chat.css"
};
static const unsigned char panel_css[] = {
#embed "../SwiftletServer/Page/panel.css"
};
static const unsigned char elements_js[] = {
#embed "../SwiftletServer/Page/elements.js"
};
static const unsigned char markdown_inline_js[] = {
#embed "../SwiftletServer/Page/markdown-inline.js"
};
static const unsigned char markdown_js[] = {
#embed "../SwiftletServer/Page/markdown.js"
};
static const unsigned char storage_js[] = {
#embed "../SwiftletServer/Page/storage.js"
};
static const unsigned char server_js[] = {
#embed "../SwiftletServer/Page/server.js"
};
static const unsigned char settings_js[] = {
#embed "../SwiftletServer/Page/settings.js"
};
static const unsigned char cache_model_js[] = {
#embed "../SwiftletServer/Page/cache-model.js"
};
static const unsigned char cache_view_js[] = {
#embed "../SwiftletServer/Page/cache-view.js"
};
static const unsigned char messages_js[] = {
#embed "../SwiftletServer/Page/messages.js"
};
static const unsigned char answers_js[] = {
#embed "../SwiftletServer/Page/answers.js"
};
static const unsigned char conversations_js[] = {
#embed "../SwiftletServer/Page/conversations.js"
};
static const unsigned char main_js[] = {
#embed "../SwiftletServer/Page/main.js"
};

// The HTML file first, then what it names.
static const struct swiftlet_page_file files[] = {
    {"index.html", index_html, sizeof index_html},
    {"style.css", style_css, sizeof style_css},
    {"chat.css", chat_css, sizeof chat_css},
    {"panel.css", panel_css, sizeof panel_css},
    {"elements.js", elements_js, sizeof elements_js},
    {"markdown-inline.js", markdown_inline_js, sizeof markdown_inline_js},
    {"markdown.js", markdown_js, sizeof markdown_js},
    {"storage.js", storage_js, sizeof storage_js},
    {"server.js", server_js, sizeof server_js},
    {"settings.js", settings_js, sizeof settings_js},
    {"cache-model.js", cache_model_js, sizeof cache_model_js},
    {"cache-view.js", cache_view_js, sizeof cache_view_js},
    {"messages.js", messages_js, sizeof messages_js},
    {"answers.js", answers_js, sizeof answers_js},
    {"conversations.js", conversations_js, sizeof conversations_js},
    {"main.js", main_js, sizeof main_js},
};

size_t swiftlet_page_file_count(void) { return sizeof files / sizeof files[0]; }

struct swiftlet_page_file swiftlet_page_file_at(size_t index) { return files[index]; }
