//! Reference of the command line in Markdown: `docs/cli.md`. A test prints it.

use clap::{Arg, ArgAction, Command};

use super::setting_flags::HEADING;

/// Options that many commands have; the reference describes each once.
const SHARED: [&str; 5] = ["url", "api_key", "api_key_file", "dev", "workspace"];

const INTRODUCTION: &str = "\
# Command line

`waypost --help` and `waypost COMMAND --help` print the same texts.
Results go to standard output, everything else to standard error; the exit code is 0 only on success.
`--json` prints JSON instead of text for people.
This page is printed from the code.

Every setting is also an option of every command, such as `--config FILE`, `--data-dir FOLDER` or `--set limits.burst=20`: see [Configuration](config.md).

Some commands **open the database** of the settings, also while a gateway runs, and need its `secret_key`:

| option | meaning |
|---|---|
";

const GATEWAY: &str = "
Other commands **call a running gateway** through its API:

| option | meaning |
|---|---|
";

const SANDBOX: &str = "
In a folder with a sandbox of `waypost dev`, the commands use the gateway of the sandbox and its public key without any option.
An error of the gateway shows its message, its [code](errors.md) and the fields that are wrong; with `--json` the whole answer is printed.
An ID can be replaced by what the argument names: `ID|NAME`, `ID|NUMBER`.
A time can be given as a duration such as `90s`, `15m`, `12h` or `2d`.
";

/// Returns the page.
pub(super) fn reference(mut command: Command) -> String {
    command.build();
    let mut page = INTRODUCTION.to_owned();
    let shared = |name: &str| find_shared(&command, name).map(row).unwrap_or_default();
    page.extend(["dev", "workspace"].map(shared));
    page.push_str(GATEWAY);
    page.extend(["url", "api_key", "api_key_file"].map(shared));
    page.push_str(SANDBOX);
    for child in visible_children(&command) {
        page.push_str(&format!("\n## {}\n\n{}.\n", child.get_name(), about(child)));
        let is_group = visible_children(child).next().is_some();
        if is_group {
            for grandchild in visible_children(child) {
                let name = format!("{} {}", child.get_name(), grandchild.get_name());
                page.push_str(&format!("\n### {name}\n\n{}.\n", about(grandchild)));
                push_usage(&mut page, &name, grandchild);
            }
        }
        if !is_group || child.get_arguments().any(|argument| is_own(child, argument)) {
            push_usage(&mut page, child.get_name(), child);
        }
    }
    page
}

fn visible_children(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|child| child.get_name() != "help" && !child.is_hide_set())
}

fn find_shared<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let own = command.get_arguments().find(|argument| argument.get_id() == name);
    let own = own.filter(|argument| !is_own(command, argument));
    own.or_else(|| command.get_subcommands().find_map(|child| find_shared(child, name)))
}

fn has_argument(command: &Command, name: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_id() == name)
}

fn push_usage(page: &mut String, name: &str, command: &Command) {
    let has = |name: &str| has_argument(command, name);
    let own: Vec<_> = command.get_arguments().filter(|argument| is_own(command, argument)).collect();
    let mut usage = format!("waypost {name}");
    for argument in &own {
        if argument.is_positional() || argument.is_required_set() {
            usage.push_str(&format!(" {}", syntax(argument)));
        }
    }
    if own.iter().any(|argument| !argument.is_positional() && !argument.is_required_set()) {
        usage.push_str(" [OPTIONS]");
    }
    page.push_str(&format!("\n```text\n{usage}\n```\n"));
    match (has("api_key"), has("workspace"), has("dev")) {
        (true, _, _) => page.push_str("\nCalls a running gateway.\n"),
        (false, true, _) => page.push_str("\nOpens the database; takes `--dev` and `--workspace`.\n"),
        (false, false, true) => page.push_str("\nOpens the database; takes `--dev`.\n"),
        (false, false, false) => {}
    }
    if !own.is_empty() {
        page.push_str("\n| option | meaning |\n|---|---|\n");
        page.extend(own.into_iter().map(row));
    }
    if let Some(help) = command.get_after_help() {
        page.push_str(&format!("\n```text\n{}\n```\n", help.to_string().trim_end()));
    }
}

/// Returns `true` for arguments that are not described elsewhere.
fn is_own(command: &Command, argument: &Arg) -> bool {
    let id = argument.get_id().as_str();
    // `waypost health` has a URL of its own.
    let is_shared = SHARED.contains(&id) && (id != "url" || has_argument(command, "api_key"));
    argument.get_help_heading() != Some(HEADING)
        && !argument.is_hide_set()
        && !is_shared
        && !matches!(id, "help" | "version")
}

fn row(argument: &Arg) -> String {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut meaning = help.trim_end_matches('.').to_owned();
    let defaults: Vec<_> = argument.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    if !defaults.is_empty() && !is_switch(argument) {
        meaning.push_str(&format!(" [default: {}]", defaults.join(",")));
    }
    let values: Vec<_> =
        argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !values.is_empty()
        && !is_switch(argument)
        && argument.get_value_names().is_none_or(|names| !names.iter().any(|name| name.contains('|')))
    {
        meaning.push_str(&format!(" ({})", values.join(", ")));
    }
    format!("| `{}` | {} |\n", syntax(argument).replace('|', "\\|"), meaning.replace('|', "\\|"))
}

/// Returns an argument as it is written.
fn syntax(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let value = names.first().map_or_else(|| argument.get_id().as_str().to_uppercase(), ToString::to_string);
    match argument.get_long() {
        Some(long) if is_switch(argument) => format!("--{long}"),
        Some(long) if argument.get_num_args().is_some_and(|n| n.min_values() == 0) => {
            format!("--{long} [{value}]")
        }
        Some(long) => format!("--{long} {value}"),
        None => value,
    }
}

fn is_switch(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count)
}

/// Returns the help text of a command on one line.
fn about(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    about.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
