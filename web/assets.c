#include "web/assets.h"

/* Name, address, type and file of each. */
#define FILES(X)                                                                                   \
	X(index, "/", "text/html; charset=utf-8", "web/page/index.html")                           \
	X(style, "/page/page.css", "text/css; charset=utf-8", "web/page/page.css")                 \
	X(icon, "/page/icon.svg", "image/svg+xml", "web/page/icon.svg")                            \
	X(button, "/fuel-backup-button.js", SCRIPT, "web/button/fuel-backup-button.js")            \
	X(spec, "/api-spec", "application/yaml", "api-spec/openapi.yaml")                          \
	MODULE(X, backup)                                                                          \
	MODULE(X, backups)                                                                         \
	MODULE(X, badges)                                                                          \
	MODULE(X, browse)                                                                          \
	MODULE(X, catalogue)                                                                       \
	MODULE(X, dialog)                                                                          \
	MODULE(X, elements)                                                                        \
	MODULE(X, history)                                                                         \
	MODULE(X, host)                                                                            \
	MODULE(X, main)                                                                            \
	MODULE(X, notice)                                                                          \
	MODULE(X, pictures)                                                                        \
	MODULE(X, plan)                                                                            \
	MODULE(X, restore)                                                                         \
	MODULE(X, rows)                                                                            \
	MODULE(X, running)                                                                         \
	MODULE(X, service)                                                                         \
	MODULE(X, store)                                                                           \
	MODULE(X, words)
#define SCRIPT "text/javascript; charset=utf-8"
#define MODULE(X, name) X(name, "/page/" #name ".js", SCRIPT, "web/page/" #name ".js")

/* FB_SOURCE_DIR: the project's folder, from the build. */
#define EMBED(name, path, type, file)                                                              \
	__asm__(".section .rodata\n"                                                               \
		".global web_" #name "\n.global web_" #name "_end\nweb_" #name ":\n"               \
		".incbin \"" FB_SOURCE_DIR "/" file "\"\nweb_" #name "_end:\n.byte 0\n"            \
		".previous\n");                                                                    \
	extern const char web_##name[], web_##name##_end[];

#define ENTRY(name, path, type, file) {path, type, web_##name, web_##name##_end},

FILES(EMBED)

const struct asset assets[] = {FILES(ENTRY){NULL, NULL, NULL, NULL}};
