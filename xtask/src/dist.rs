//! The release archive: the program and the files that an operator needs, with checksums.
//!
//! The same files produce the same archive, byte for byte: names are sorted, times are the time of the last commit,
//! owners are numbers. The reproducibility of the program itself depends on the compiler.

use crate::digest::sha256_hex;
use crate::repository::root;
use crate::terminal::print_line;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Target of a program without dependencies on system libraries.
const STATIC: &str = "x86_64-unknown-linux-musl";
/// Targets of release archives, with the C compilers that can build for them. SQLite and the cryptography are written
/// in C; the compiler also links the program.
const TARGETS: [(&str, &[&str]); 4] = [
    (STATIC, &["x86_64-linux-musl-gcc", "musl-gcc"]),
    ("x86_64-unknown-linux-gnu", &["x86_64-linux-gnu-gcc"]),
    ("aarch64-unknown-linux-musl", &["aarch64-linux-musl-gcc", "aarch64-unknown-linux-musl-gcc"]),
    ("aarch64-unknown-linux-gnu", &["aarch64-linux-gnu-gcc", "aarch64-unknown-linux-gnu-gcc"]),
];
/// Files and folders of the archive besides the program.
const BESIDE: [&str; 10] = [
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "STYLE.md",
    "deploy",
    "docs",
    "examples",
];

/// Options of `cargo xtask dist`.
#[derive(Debug, clap::Args)]
pub(crate) struct DistOptions {
    /// Target, such as aarch64-unknown-linux-gnu [default: static for x86-64 if that can be built, else this machine]
    #[arg(long)]
    target: Option<String>,
}

/// A built program.
struct Built {
    target: String,
    program: PathBuf,
    /// `true` if this machine can run the program.
    is_native: bool,
}

/// A target and the C compiler for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Toolchain<'a> {
    target: &'a str,
    compiler: &'a str,
}

/// Builds the program and packs the archive.
pub(crate) fn run(options: &DistOptions) -> Result<()> {
    let root = root();
    let built = build(&root, options.target.as_deref())?;
    let name = format!("waypost-{}-{}", env!("CARGO_PKG_VERSION"), built.target);
    let dist = root.join("target/dist");
    let stage = dist.join(&name);
    if stage.exists() {
        fs::remove_dir_all(&stage).context("clearing the stage")?;
    }
    fs::create_dir_all(&stage).context("making the stage")?;
    fs::copy(&built.program, stage.join("waypost")).context("copying the program")?;
    for beside in BESIDE {
        copy(&root.join(beside), &stage.join(beside))?;
    }
    let archive = dist.join(format!("{name}.tar.gz"));
    pack(&dist, &name, &archive, &committed_at(&root)?)?;
    let bytes = fs::read(&archive).context("reading the archive")?;
    let file = archive.file_name().unwrap_or_default().display().to_string();
    let sums = format!("{}  {file}\n", sha256_hex(&bytes));
    fs::write(dist.join("SHA256SUMS"), &sums).context("writing the checksums")?;
    try_out(&dist, &name, &archive, built.is_native)?;
    print_line(format_args!("{} ({} bytes)", archive.display(), bytes.len()));
    print_line(sums.trim_end());
    Ok(())
}

fn build(root: &Path, wanted: Option<&str>) -> Result<Built> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["build", "--profile", "dist", "--locked", "-p", "waypost"]);
    let host = host()?;
    let target = match wanted {
        Some(target) if target == host => None,
        Some(target) => Some(toolchain(target, is_target_installed(target)?, is_installed)?),
        None => toolchain(STATIC, is_target_installed(STATIC)?, is_installed)
            .inspect_err(|error| {
                print_line(format_args!(
                    "note: {error:#}; the program is built for {host} and needs a glibc as new as this machine's"
                ));
            })
            .ok(),
    };
    let (name, folder) = match target {
        Some(Toolchain { target, compiler }) => {
            let variable = target.replace('-', "_");
            command.args(["--target", target]).env(format!("CC_{variable}"), compiler);
            if target != STATIC {
                command.env(format!("CARGO_TARGET_{}_LINKER", variable.to_ascii_uppercase()), compiler);
            }
            (target.to_owned(), root.join("target").join(target))
        }
        None => (host.clone(), root.join("target")),
    };
    let status = command.status().context("starting cargo")?;
    if !status.success() {
        bail!("the program was not built");
    }
    let architecture = |target: &str| target.split('-').next().map(str::to_owned);
    let is_native = architecture(&name) == architecture(&host);
    Ok(Built { target: name, program: folder.join("dist/waypost"), is_native })
}

/// Returns the toolchain of a target.
///
/// # Errors
/// If the target is not known, or something is not installed; the message says what.
fn toolchain(
    target: &str,
    is_target_installed: bool,
    has_compiler: impl Fn(&str) -> bool,
) -> Result<Toolchain<'static>> {
    let Some((target, compilers)) = TARGETS.into_iter().find(|(known, _)| *known == target) else {
        let known: Vec<_> = TARGETS.iter().map(|(known, _)| *known).collect();
        bail!("there is no target {target}; the targets are {}", known.join(", "));
    };
    if !is_target_installed {
        bail!("the standard library for {target} is not installed: rustup target add {target}");
    }
    let found = compilers.iter().find(|compiler| has_compiler(compiler));
    let compiler = found.with_context(|| {
        format!("no C compiler for {target} is installed; one of these is needed: {}", compilers.join(", "))
    })?;
    Ok(Toolchain { target, compiler })
}

fn is_installed(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok()
}

fn is_target_installed(target: &str) -> Result<bool> {
    if !TARGETS.iter().any(|(known, _)| *known == target) {
        return Ok(false);
    }
    let folder = output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]))?;
    Ok(Path::new(folder.trim()).is_dir())
}

fn host() -> Result<String> {
    let output_text = output(Command::new("rustc").arg("-vV"))?;
    let host = output_text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc names no host")
}

/// Returns the time of the last commit, in Unix seconds.
fn committed_at(root: &Path) -> Result<String> {
    let output_text = output(Command::new("git").current_dir(root).args(["log", "-1", "--format=%ct"]))?;
    Ok(output_text.trim().to_owned())
}

fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("starting {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("reading what {name} printed"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let copying = || format!("copying {}", from.display());
    if from.is_file() {
        fs::copy(from, to).with_context(copying)?;
        return Ok(());
    }
    fs::create_dir_all(to).with_context(copying)?;
    for entry in fs::read_dir(from).with_context(copying)? {
        let entry = entry.with_context(copying)?;
        // A key that was created for the compose file must not be published.
        if entry.file_name() != "secret_key" {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Packs a folder so that the same files produce the same bytes.
fn pack(dist: &Path, name: &str, archive: &Path, at: &str) -> Result<()> {
    let tar = archive.with_extension("");
    output(
        Command::new("tar")
            .current_dir(dist)
            .args(["--sort=name", "--format=ustar", "--owner=0", "--group=0", "--numeric-owner"])
            .arg("--mode=u+rw,go+r-w,a+X")
            .arg(format!("--mtime=@{at}"))
            .arg("-cf")
            .arg(&tar)
            .arg(name),
    )?;
    // The gzip header contains neither a name nor a time.
    output(Command::new("gzip").args(["-9", "-n", "-f"]).arg(&tar))?;
    Ok(())
}

/// Unpacks the archive in another folder, and runs its program if this machine can.
fn try_out(dist: &Path, name: &str, archive: &Path, is_native: bool) -> Result<()> {
    let elsewhere = tempfile::tempdir_in(dist).context("making a folder to try the archive in")?;
    output(Command::new("sha256sum").current_dir(dist).args(["--check", "--quiet", "SHA256SUMS"]))?;
    output(Command::new("tar").current_dir(elsewhere.path()).arg("-xzf").arg(archive))?;
    let folder = elsewhere.path().join(name);
    for page in ["README.md", "docs/README.md"] {
        require_links(&folder, page)?;
    }
    if !is_native {
        print_line("note: this machine cannot run the program of the archive; only the files were checked");
        return Ok(());
    }
    let version = output(Command::new(folder.join("waypost")).arg("--version"))?;
    if version.trim() != format!("waypost {}", env!("CARGO_PKG_VERSION")) {
        bail!("the program in the archive says that it is {}", version.trim());
    }
    Ok(())
}

/// Checks that every relative link of a page leads to a file of the folder.
fn require_links(folder: &Path, page: &str) -> Result<()> {
    let path = folder.join(page);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let parent = path.parent().unwrap_or(folder);
    for target in relative_links(&text) {
        if !parent.join(target).exists() {
            bail!("{page} links {target}, which is not in the archive");
        }
    }
    Ok(())
}

/// Returns the relative links of a page, without the part after `#`.
fn relative_links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with('#'))
        .map(|target| target.split('#').next().unwrap_or(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_of_the_readme_leads_into_the_archive() {
        let stage = tempfile::tempdir().unwrap();
        for beside in BESIDE {
            copy(&root().join(beside), &stage.path().join(beside)).unwrap();
        }
        for page in ["README.md", "docs/README.md"] {
            require_links(stage.path(), page).unwrap();
        }
        fs::remove_dir_all(stage.path().join("docs/decisions")).unwrap();
        let missing = require_links(stage.path(), "README.md").unwrap_err().to_string();
        assert_eq!(missing, "README.md links docs/decisions, which is not in the archive");
    }

    #[test]
    fn a_missing_part_of_a_toolchain_is_named() {
        let target = "aarch64-unknown-linux-gnu";
        let compiler = "aarch64-linux-gnu-gcc";
        let found = toolchain(target, true, |name| name == compiler).unwrap();
        assert_eq!(found, Toolchain { target, compiler });
        let error =
            |target: &str, is_installed| toolchain(target, is_installed, |_| false).unwrap_err().to_string();
        assert!(error(target, false).contains("rustup target add aarch64-unknown-linux-gnu"));
        assert!(error(target, true).contains("aarch64-linux-gnu-gcc"));
        assert!(error("sparc", false).contains("the targets are x86_64-unknown-linux-musl"));
    }

    #[test]
    fn the_same_files_produce_the_same_archive() {
        let make = |names: [&str; 2]| {
            let folder = tempfile::tempdir().unwrap();
            let stage = folder.path().join("waypost");
            fs::create_dir(&stage).unwrap();
            // Another order, another time and another umask.
            for name in names {
                fs::write(stage.join(name), name).unwrap();
            }
            let archive = folder.path().join("waypost.tar.gz");
            pack(folder.path(), "waypost", &archive, "1767225600").unwrap();
            fs::read(archive).unwrap()
        };
        assert_eq!(make(["one", "two"]), make(["two", "one"]));
    }
}
