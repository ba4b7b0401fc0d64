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
/// C compiler for the target: SQLite and the cryptography are written in C.
const STATIC_COMPILERS: [&str; 2] = ["musl-gcc", "x86_64-linux-musl-gcc"];
/// Files and folders of the archive besides the program.
const BESIDE: [&str; 9] = [
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "deploy",
    "docs",
    "examples",
];

/// A built program.
struct Built {
    target: String,
    program: PathBuf,
}

/// Builds the program and packs the archive.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let built = build(&root)?;
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
    try_out(&dist, &name, &archive)?;
    print_line(format_args!("{} ({} bytes)", archive.display(), bytes.len()));
    print_line(sums.trim_end());
    Ok(())
}

fn build(root: &Path) -> Result<Built> {
    let mut command = Command::new("cargo");
    command.current_dir(root).args(["build", "--profile", "dist", "--locked", "-p", "waypost"]);
    let is_static = has_static_target()?;
    let (target, folder) = if is_static {
        command.args(["--target", STATIC]);
        (STATIC.to_owned(), root.join("target").join(STATIC))
    } else {
        let host = host()?;
        print_line(format_args!(
            "note: {STATIC} or a C compiler for it is not installed; the program is built for {host} and needs a glibc \
             as new as this machine's"
        ));
        (host, root.join("target"))
    };
    let status = command.status().context("starting cargo")?;
    if !status.success() {
        bail!("the program was not built");
    }
    Ok(Built { target, program: folder.join("dist/waypost") })
}

fn has_static_target() -> Result<bool> {
    let folder = output(Command::new("rustc").args(["--print", "target-libdir", "--target", STATIC]))?;
    let has_compiler =
        STATIC_COMPILERS.iter().any(|compiler| Command::new(compiler).arg("--version").output().is_ok());
    Ok(Path::new(folder.trim()).is_dir() && has_compiler)
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

/// Unpacks the archive in another folder and runs its program.
fn try_out(dist: &Path, name: &str, archive: &Path) -> Result<()> {
    let elsewhere = tempfile::tempdir_in(dist).context("making a folder to try the archive in")?;
    output(Command::new("sha256sum").current_dir(dist).args(["--check", "--quiet", "SHA256SUMS"]))?;
    output(Command::new("tar").current_dir(elsewhere.path()).arg("-xzf").arg(archive))?;
    let program = elsewhere.path().join(name).join("waypost");
    let version = output(Command::new(program).arg("--version"))?;
    if version.trim() != format!("waypost {}", env!("CARGO_PKG_VERSION")) {
        bail!("the program in the archive says that it is {}", version.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_of_the_readme_leads_into_the_archive() {
        let readme = fs::read_to_string(root().join("README.md")).unwrap();
        let targets = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            let path = target.split('#').next().unwrap_or(target);
            let first = path.split('/').next().unwrap_or(path);
            assert!(BESIDE.contains(&first), "{target} is not in the archive");
        }
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
