#include "web/assets.h"

/* FB_SOURCE_DIR: the project's folder, from the build. */
#define EMBED(name, file)                                                                          \
	__asm__(".section .rodata\n"                                                               \
		".global " #name "_data\n.global " #name "_end\n" #name "_data:\n"                 \
		".incbin \"" FB_SOURCE_DIR "/" file "\"\n" #name "_end:\n.byte 0\n.previous\n");   \
	extern const char name##_data[], name##_end[]

EMBED(page, "web/page.html");
EMBED(script, "web/page.js");
EMBED(style, "web/page.css");
EMBED(button, "web/button/fuel-backup-button.js");
EMBED(spec, "api-spec/openapi.yaml");

const struct asset assets[] = {
	{"/", "text/html; charset=utf-8", page_data, page_end},
	{"/page.js", "text/javascript; charset=utf-8", script_data, script_end},
	{"/page.css", "text/css; charset=utf-8", style_data, style_end},
	{"/fuel-backup-button.js", "text/javascript; charset=utf-8", button_data, button_end},
	{"/api-spec", "application/yaml", spec_data, spec_end},
	{NULL, NULL, NULL, NULL},
};
