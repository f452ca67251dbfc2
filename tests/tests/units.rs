//! The systemd units of `deploy/systemd`: systemd understands them, finds little to object to, and
//! they run what the program understands.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use end_to_end::program::Program;
use end_to_end::scene::scene;

const UNITS: [&str; 2] = ["seawall.service", "hedgedoc.service"];

/// Of 100. What is left open: the network, which the bucket needs, and MemoryDenyWriteExecute.
const MOST_EXPOSURE: &str = "--threshold=20";

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd")
}

/// The same message whatever it is that is missing.
fn analyze(words: &[&str]) -> Result<(bool, String)> {
    let output = Command::new("systemd-analyze")
        .args(words)
        .output()
        .context("systemd-analyze: run scripts/setup test")?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ok((output.status.success(), said))
}

#[test]
fn systemd_understands_the_units() {
    scene(|scene| {
        // A machine on which everything is where the units say.
        let root = scene.fresh("root");
        for program in ["usr/local/bin/seawall", "usr/bin/node"] {
            let program = root.join(program);
            fs::create_dir_all(program.parent().context("a directory")?)?;
            fs::write(&program, "#!/bin/sh\n")?;
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        }
        let (own, system) = (
            root.join("etc/systemd/system"),
            root.join("usr/lib/systemd/system"),
        );
        fs::create_dir_all(&own)?;
        fs::create_dir_all(&system)?;
        for entry in fs::read_dir("/usr/lib/systemd/system")? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "target") && path.is_file() {
                fs::copy(&path, system.join(path.file_name().context("a name")?))?;
            }
        }
        let root_flag = format!("--root={}", root.display());
        for unit in UNITS {
            fs::copy(units().join(unit), own.join(unit))?;
        }
        let verify = || -> Result<(bool, String)> {
            let paths = UNITS.map(|unit| own.join(unit).display().to_string());
            analyze(&[&root_flag, "--man=no", "verify", &paths[0], &paths[1]])
        };
        let (good, said) = verify()?;
        ensure!(good && said.is_empty(), "{said}");
        let broken = fs::read_to_string(own.join(UNITS[0]))?.replace("User=", "Usr=");
        fs::write(own.join(UNITS[0]), broken)?;
        ensure!(verify()?.1.contains("Usr"), "anything is let pass");
        Ok(())
    });
}

#[test]
fn little_is_left_open_to_seawall() {
    scene(|_| {
        let unit = units().join(UNITS[0]).display().to_string();
        let (good, said) = analyze(&["security", "--offline=yes", MOST_EXPOSURE, &unit])?;
        ensure!(good, "{said}");
        Ok(())
    });
}

#[test]
fn the_program_understands_what_the_unit_runs() {
    scene(|_| {
        let text = fs::read_to_string(units().join(UNITS[0]))?;
        let lines = text.lines().filter(|line| line.starts_with("ExecStart"));
        let mut count = 0;
        for line in lines {
            let (_, words) = line.split_once('=').context("a value")?;
            let words: Vec<&str> = words.split(' ').skip(1).collect();
            let output = Command::new(Program::Seawall.path()?)
                .args(&words)
                .output()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // It gets as far as the config, which is not on this machine.
            ensure!(said.contains("/etc/seawall/seawall.yml"), "{line}: {said}");
            ensure!(output.status.code() == Some(2), "{line}: {said}");
            count += 1;
        }
        ensure!(count == 2, "{count} commands");
        Ok(())
    });
}
