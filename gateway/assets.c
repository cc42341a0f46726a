/* assets - see assets.h. The assembler copies the files in; the lines of assets.def tell their symbols apart. */
#include "assets.h"

#define JOIN_AGAIN(a, b) a##b
#define JOIN(a, b)       JOIN_AGAIN(a, b)
#define TEXT_AGAIN(text) #text
#define TEXT(text)       TEXT_AGAIN(text)

#define ASSET(path, file, type)                                                                                        \
    __asm__(".pushsection .rodata\n"                                                                                   \
            "asset_" TEXT(__LINE__) ": .incbin \"gateway/web/" file "\"\n"                                             \
                                    "asset_end_" TEXT(__LINE__) ":\n"                                                  \
                                                                ".popsection\n");                                      \
    extern const uint8_t JOIN(asset_, __LINE__)[], JOIN(asset_end_, __LINE__)[];
#include "assets.def"

static const struct {
    const char *path, *type;
    const uint8_t *begin, *end;
} FILES[] = {
#define ASSET(path, file, type) {(path), (type), JOIN(asset_, __LINE__), JOIN(asset_end_, __LINE__)},
#include "assets.def"
};

bool assets_find(struct view path, struct asset *ret_asset)
{
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        if (!view_equals(view_text(FILES[i].path), path))
            continue;
        ret_asset->type = FILES[i].type;
        ret_asset->content = view_of(FILES[i].begin, (size_t)(FILES[i].end - FILES[i].begin));
        return true;
    }
    return false;
}
