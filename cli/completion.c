/* dockerctl completion: what bash and zsh source, made from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "cli/commands.h"

static void
print_options(const struct command *c)
{
	for (const struct option *o = options; o->name != NULL; o++)
		if (command_takes(c, o))
			(void)printf(" %s", o->name);
}

/* Both shells: sets `shape`, the words that a command takes, and `options`. */
static void
print_cases(void)
{
	for (const struct command *c = commands; c->name != NULL; c++) {
		(void)printf("\t%s) shape=(", c->name);
		for (const char *at = c->words; *at != '\0'; at++) {
			if (*at == '|')
				(void)fputs("\\|", stdout);
			else if (*at != '[' && *at != ']')
				(void)putchar(*at);
		}
		(void)fputs(") options=(", stdout);
		print_options(c);
		(void)fputs(" ) ;;\n", stdout);
	}
	(void)fputs("\thelp) shape=(COMMAND) ;;\n", stdout);
}

/* The options with a value, or those with a file's name, as a pattern of `case`. */
static void
print_valued(bool files_only)
{
	const char *between = "";

	for (const struct option *o = options; o->name != NULL; o++)
		if (o->value != NULL && (!files_only || strcmp(o->value, "FILE") == 0)) {
			(void)printf("%s%s", between, o->name);
			between = "|";
		}
}

static void
completion_print_names(void)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		(void)printf("%s ", c->name);
	(void)fputs("help version", stdout);
}

static void
print_bash(void)
{
	(void)fputs("# bash completion of dockerctl; made by `dockerctl completion bash`\n"
		    "_dockerctl()\n{\n"
		    "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
		    "\tlocal place=0 i shape=() options=() names='",
		stdout);
	completion_print_names();
	(void)fputs("'\n\tCOMPREPLY=()\n"
		    "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
		    "\t\tCOMPREPLY=($(compgen -W \"$names\" -- \"$word\"))\n\t\treturn\n\tfi\n"
		    "\tcase $before in\n\t",
		stdout);
	print_valued(true);
	(void)fputs(") mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n\t", stdout);
	print_valued(false);
	(void)fputs(") return ;;\n\tesac\n"
		    "\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
		    "\t\tcase ${COMP_WORDS[i]} in\n\t\t",
		stdout);
	print_valued(false);
	(void)fputs(
		") i=$((i + 1)) ;;\n\t\t-*) ;;\n\t\t*) place=$((place + 1)) ;;\n\t\tesac\n\tdone\n"
		"\tcase ${COMP_WORDS[1]} in\n",
		stdout);
	print_cases();
	(void)fputs(
		"\tesac\n"
		"\tif [[ $word == -* ]]; then\n"
		"\t\tCOMPREPLY=($(compgen -W \"${options[*]}\" -- \"$word\"))\n\t\treturn\n\tfi\n"
		"\tcase ${shape[place]} in\n"
		"\tCOMMAND) COMPREPLY=($(compgen -W \"$names\" -- \"$word\")) ;;\n"
		"\tID*) COMPREPLY=($(compgen -W \"$(dockerctl completion ids 2>/dev/null)\" -- "
		"\"$word\")) ;;\n"
		"\tOPERATION) COMPREPLY=($(compgen -W \"$(dockerctl completion operations "
		"2>/dev/null)\" -- \"$word\")) ;;\n"
		"\t*[a-z]*) COMPREPLY=($(compgen -W \"${shape[place]//|/ }\" -- \"$word\")) ;;\n"
		"\tesac\n"
		"\tcase ${shape[place]} in\n"
		"\tDEST|*FILE) mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- "
		"\"$word\") ;;\n"
		"\tesac\n"
		"}\n"
		"complete -o filenames -F _dockerctl dockerctl\n",
		stdout);
}

/* 'name:help', the quotes in it for the shell. */
static void
print_described(const char *name, const char *help)
{
	(void)printf(" '%s:", name);
	for (; *help != '\0'; help++) {
		if (*help == '\'')
			(void)fputs("'\\''", stdout);
		else
			(void)putchar(*help);
	}
	(void)putchar('\'');
}

static void
print_zsh(void)
{
	(void)fputs("#compdef dockerctl\n# zsh completion of dockerctl; made by `dockerctl "
		    "completion zsh`\n"
		    "_dockerctl()\n{\n"
		    "\tlocal -a commands shape options\n"
		    "\tlocal place=1 i\n"
		    "\tcommands=(",
		stdout);
	for (const struct command *c = commands; c->name != NULL; c++)
		print_described(c->name, c->help);
	(void)fputs(
		" 'help:show how a command is used' 'version:show the version')\n"
		"\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
		"\tcase $words[CURRENT-1] in\n\t",
		stdout);
	print_valued(true);
	(void)fputs(") _files; return ;;\n\t", stdout);
	print_valued(false);
	(void)fputs(") return ;;\n\tesac\n"
		    "\tfor ((i = 3; i < CURRENT; i++)); do\n\t\tcase $words[i] in\n\t\t",
		stdout);
	print_valued(false);
	(void)fputs(") (( i++ )) ;;\n\t\t-*) ;;\n\t\t*) (( place++ )) ;;\n\t\tesac\n\tdone\n"
		    "\tcase $words[2] in\n",
		stdout);
	print_cases();
	(void)fputs("\tesac\n"
		    "\tif [[ $words[CURRENT] == -* ]]; then\n\t\tcompadd -- "
		    "$options\n\t\treturn\n\tfi\n"
		    "\tcase $shape[place] in\n"
		    "\tCOMMAND) _describe command commands ;;\n"
		    "\tID*) compadd -- ${(f)\"$(dockerctl completion ids 2>/dev/null)\"} ;;\n"
		    "\tOPERATION) compadd -- ${(f)\"$(dockerctl completion operations "
		    "2>/dev/null)\"} ;;\n"
		    "\t*[a-z]*) compadd -- ${(s:|:)shape[place]} ;;\n"
		    "\tesac\n"
		    "\tcase $shape[place] in\n\tDEST|*FILE) _files ;;\n\tesac\n"
		    "}\n"
		    "if [ \"$funcstack[1]\" = _dockerctl ]; then\n\t_dockerctl \"$@\"\n"
		    "else\n\tcompdef _dockerctl dockerctl\nfi\n",
		stdout);
}

static int
print_ids(const char *path, const char *key, struct err *e)
{
	SCOPED(client_close_at) struct client *c = NULL;
	SCOPED(json_decref_at) json_t *list = NULL;
	const json_t *item;
	size_t i;

	if (client_open(&c, e) != 0 || client_pages(c, path, key, &list, e) != 0)
		return -1;
	json_array_foreach (list, i, item) {
		(void)printf("%s\n", client_text(item, "id"));
	}
	return 0;
}

int
command_completion(struct client *c, const struct arguments *a, struct err *e)
{
	const char *what = a->words[0];

	(void)c;
	if (strcmp(what, "ids") == 0) {
		(void)printf("latest\n");
		return print_ids("/backups", "backups", e);
	}
	if (strcmp(what, "operations") == 0)
		return print_ids("/operations", "operations", e);
	if (strcmp(what, "bash") == 0)
		print_bash();
	else if (strcmp(what, "zsh") == 0)
		print_zsh();
	else
		return err_set(e, ERR_INVALID, "there is a completion for bash and for zsh");
	return 0;
}
